/* The ops of this package that are worth it, in C. Each gives the same bytes as its
 * twin in Python, by whatever instructions: which ones is decided when it runs. */
#include <stdlib.h>
#include <string.h>

#include "beam_scanner_op.h"

static const char *const description =
    "{\"ops\": ["
    "{\"name\": \"Histogram\","
    " \"inputs\": [{\"name\": \"frame\", \"type\": \"FrameType\","
    "  \"dtype\": \"uint8\", \"shape\": [null, null, 3]}],"
    " \"outputs\": [{\"name\": \"histogram\", \"type\": \"FrameType\","
    "  \"dtype\": \"int32\", \"shape\": [3, 16]}],"
    " \"arguments\": {\"json\": ["
    "  {\"name\": \"instructions\", \"type\": \"str\", \"default\": \"\"}]}},"
    "{\"name\": \"FrameDifference\","
    " \"inputs\": [{\"name\": \"before\", \"type\": \"FrameType\", \"dtype\": \"uint8\"},"
    "  {\"name\": \"after\", \"type\": \"FrameType\", \"dtype\": \"uint8\"}],"
    " \"outputs\": [{\"name\": \"difference\", \"type\": \"FrameType\","
    "  \"dtype\": \"uint8\"}],"
    " \"arguments\": {\"json\": ["
    "  {\"name\": \"instructions\", \"type\": \"str\", \"default\": \"\"}]}},"
    "{\"name\": \"HistogramChanges\","
    " \"inputs\": [{\"name\": \"histograms\", \"type\": \"FrameType\","
    "  \"dtype\": \"int32\", \"shape\": [null, null, null]}],"
    " \"outputs\": [{\"name\": \"changes\", \"type\": \"FrameType\","
    "  \"dtype\": \"uint64\", \"shape\": [null]}],"
    " \"arguments\": {\"json\": ["
    "  {\"name\": \"instructions\", \"type\": \"str\", \"default\": \"\"}]}},"
    "{\"name\": \"ShotFeatures\","
    " \"inputs\": [{\"name\": \"frame\", \"type\": \"FrameType\","
    "  \"dtype\": \"uint8\", \"shape\": [null, null, 3]}],"
    " \"outputs\": [{\"name\": \"features\", \"type\": \"FrameType\","
    "  \"dtype\": \"uint8\", \"shape\": [192]}],"
    " \"arguments\": {\"json\": ["
    "  {\"name\": \"instructions\", \"type\": \"str\", \"default\": \"\"}]}}"
    "]}";

/* --- histograms ------------------------------------------------------------------ */

/* Adds the rest, which may be everything, in four tables: equal samples one after the
 * other would wait for each other in one. */
static void count_samples(const uint8_t *samples, int64_t size, int32_t counts[3][16]) {
  uint32_t tables[4][3][16];
  memset(tables, 0, sizeof tables);
  int64_t i = 0;
  for (; i + 12 <= size; i += 12)
    for (int table = 0; table < 4; ++table)
      for (int channel = 0; channel < 3; ++channel)
        ++tables[table][channel][samples[i + table * 3 + channel] >> 4];
  for (; i < size; ++i) ++tables[0][i % 3][samples[i] >> 4];
  for (int table = 0; table < 4; ++table)
    for (int channel = 0; channel < 3; ++channel)
      for (int bin = 0; bin < 16; ++bin)
        counts[channel][bin] += (int32_t)tables[table][channel][bin];
}

static int64_t count_none(const uint8_t *samples, int64_t size, int32_t counts[3][16]) {
  (void)samples, (void)size, (void)counts;
  return 0;
}

#if defined(__GNUC__) && defined(__x86_64__)
#define WITH_VECTORS 1
#include <immintrin.h>

static const uint8_t lower_bins[16] = {1, 2, 4, 8, 16, 32, 64, 128};
static const uint8_t upper_bins[16] = {0, 0, 0, 0, 0,  0,  0,  0,
                                       1, 2, 4, 8, 16, 32, 64, 128};
static const uint8_t low_bits[16] = {15, 15, 15, 15, 15, 15, 15, 15,
                                     15, 15, 15, 15, 15, 15, 15, 15};
static const uint8_t first_bits[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

#define BLOCKS count_ssse3
#define FUNCTION(name) name##_ssse3
#define TARGET __attribute__((target("ssse3")))
#define VECTOR __m128i
#define BYTES 16
#define LOAD(from) _mm_loadu_si128((const __m128i *)(from))
#define STORE(to, a) _mm_storeu_si128((__m128i *)(to), a)
#define REPEAT(table) _mm_loadu_si128((const __m128i *)(table))
#define ZERO _mm_setzero_si128()
#define AND(a, b) _mm_and_si128(a, b)
#define ADD(a, b) _mm_add_epi8(a, b)
#define SHIFT_RIGHT(a, bits) _mm_srl_epi16(a, _mm_cvtsi32_si128(bits))
#define LOOK_UP(table, at) _mm_shuffle_epi8(table, at)
#define PARITY(a, b, c) _mm_xor_si128(_mm_xor_si128(a, b), c)
#define MAJORITY(a, b, c) \
  _mm_or_si128(_mm_and_si128(a, b), _mm_and_si128(_mm_xor_si128(a, b), c))
#include "histogram_blocks.h"

#define BLOCKS count_avx2
#define FUNCTION(name) name##_avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256i
#define BYTES 32
#define LOAD(from) _mm256_loadu_si256((const __m256i *)(from))
#define STORE(to, a) _mm256_storeu_si256((__m256i *)(to), a)
#define REPEAT(table) \
  _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table)))
#define ZERO _mm256_setzero_si256()
#define AND(a, b) _mm256_and_si256(a, b)
#define ADD(a, b) _mm256_add_epi8(a, b)
#define SHIFT_RIGHT(a, bits) _mm256_srl_epi16(a, _mm_cvtsi32_si128(bits))
#define LOOK_UP(table, at) _mm256_shuffle_epi8(table, at)
#define PARITY(a, b, c) _mm256_xor_si256(_mm256_xor_si256(a, b), c)
#define MAJORITY(a, b, c) \
  _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(_mm256_xor_si256(a, b), c))
#include "histogram_blocks.h"

#define BLOCKS count_avx512
#define FUNCTION(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw")))
#define VECTOR __m512i
#define BYTES 64
#define LOAD(from) _mm512_loadu_si512(from)
#define STORE(to, a) _mm512_storeu_si512(to, a)
#define REPEAT(table) \
  _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(table)))
#define ZERO _mm512_setzero_si512()
#define AND(a, b) _mm512_and_si512(a, b)
#define ADD(a, b) _mm512_add_epi8(a, b)
#define SHIFT_RIGHT(a, bits) _mm512_srl_epi16(a, _mm_cvtsi32_si128(bits))
#define LOOK_UP(table, at) _mm512_shuffle_epi8(table, at)
#define PARITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xE8)
#include "histogram_blocks.h"
#endif

/* --- what compilers make vectors of by themselves --------------------------------- */

#define INLINE static inline __attribute__((always_inline))

INLINE void difference(const uint8_t *restrict a, const uint8_t *restrict b,
                       uint8_t *restrict out, int64_t size) {
  for (int64_t i = 0; i < size; ++i)
    out[i] = (uint8_t)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
}

/* For each histogram the largest change of a bin, summed over the channels. */
INLINE void changes(const int32_t *restrict counts, uint64_t *restrict out,
                    int64_t rows, int64_t channels, int64_t bins) {
  if (rows > 0) out[0] = 0;
  for (int64_t row = 1; row < rows; ++row) {
    const int32_t *now = counts + row * channels * bins;
    const int32_t *before = now - channels * bins;
    uint64_t sum = 0;
    for (int64_t channel = 0; channel < channels; ++channel) {
      uint32_t most = 0;
      for (int64_t i = channel * bins; i < (channel + 1) * bins; ++i) {
        const uint32_t a = (uint32_t)now[i], b = (uint32_t)before[i];
        /* Below 2**32, so it is exact without signs. */
        const uint32_t change = now[i] > before[i] ? a - b : b - a;
        most = change > most ? change : most;
      }
      sum += most;
    }
    out[row] = sum;
  }
}

/* Adds rows of samples to sums of columns, which 257 rows cannot overflow. */
INLINE void add_rows(const uint8_t *restrict rows, uint16_t *restrict sums,
                     int64_t count, int64_t width) {
  for (int64_t row = 0; row < count; ++row)
    for (int64_t i = 0; i < width; ++i)
      sums[i] = (uint16_t)(sums[i] + rows[row * width + i]);
}

#define VARIANTS(NAME, ATTRIBUTE)                                                     \
  ATTRIBUTE static void difference_##NAME(const uint8_t *a, const uint8_t *b,         \
                                          uint8_t *out, int64_t size) {               \
    difference(a, b, out, size);                                                      \
  }                                                                                   \
  ATTRIBUTE static void changes_##NAME(const int32_t *counts, uint64_t *out,          \
                                       int64_t rows, int64_t channels, int64_t bins) { \
    changes(counts, out, rows, channels, bins);                                       \
  }                                                                                   \
  ATTRIBUTE static void add_rows_##NAME(const uint8_t *rows, uint16_t *sums,          \
                                        int64_t count, int64_t width) {               \
    add_rows(rows, sums, count, width);                                               \
  }
VARIANTS(plain, )
#ifdef WITH_VECTORS
VARIANTS(ssse3, __attribute__((target("ssse3"))))
VARIANTS(avx2, __attribute__((target("avx2"))))
VARIANTS(avx512, __attribute__((target("avx512f,avx512bw"))))
#endif

/* --- which instructions ----------------------------------------------------------- */

typedef struct {
  const char *name;
  int64_t (*count)(const uint8_t *, int64_t, int32_t[3][16]);
  void (*difference)(const uint8_t *, const uint8_t *, uint8_t *, int64_t);
  void (*changes)(const int32_t *, uint64_t *, int64_t, int64_t, int64_t);
  void (*add_rows)(const uint8_t *, uint16_t *, int64_t, int64_t);
} Instructions;

/* From the best to those that every machine has. */
static const Instructions all[] = {
#ifdef WITH_VECTORS
    {"avx512", count_avx512, difference_avx512, changes_avx512, add_rows_avx512},
    {"avx2", count_avx2, difference_avx2, changes_avx2, add_rows_avx2},
    {"ssse3", count_ssse3, difference_ssse3, changes_ssse3, add_rows_ssse3},
#endif
    {"plain", count_none, difference_plain, changes_plain, add_rows_plain},
};

static int is_here(const Instructions *instructions) {
#ifdef WITH_VECTORS
  const char *name = instructions->name;
  __builtin_cpu_init();
  if (strcmp(name, "avx512") == 0) return __builtin_cpu_supports("avx512bw") != 0;
  if (strcmp(name, "avx2") == 0) return __builtin_cpu_supports("avx2") != 0;
  if (strcmp(name, "ssse3") == 0) return __builtin_cpu_supports("ssse3") != 0;
#endif
  (void)instructions;
  return 1;
}

/* --- the interface ---------------------------------------------------------------- */

typedef struct Kernel Kernel;
typedef int32_t (*Run)(const Instructions *use, const BeamScannerCall *call,
                       int64_t row, char *error);
struct Kernel {
  Run run;
  const Instructions *instructions;
};

static int64_t samples_of(const DLTensor *tensor) {
  int64_t found = 1;
  for (int32_t i = 0; i < tensor->ndim; ++i) found *= tensor->shape[i];
  return found;
}

static int32_t histogram(const Instructions *use, const BeamScannerCall *call,
                         int64_t row, char *error) {
  const DLTensor *frame = &beam_scanner_element(call, row, 0, 0)->tensor;
  const int64_t size = samples_of(frame), shape[2] = {3, 16};
  const DLDataType type = {0, 32, 1};
  (void)error;
  int32_t(*counts)[16] = call->make_tensor(call->host, row, 0, &type, 2, shape);
  if (!counts) return 1;
  memset(counts, 0, 3 * sizeof *counts);
  const uint8_t *samples = frame->data;
  const int64_t done = use->count(samples, size, counts);
  count_samples(samples + done, size - done, counts);
  return 0;
}

static int32_t frame_difference(const Instructions *use, const BeamScannerCall *call,
                                int64_t row, char *error) {
  const DLTensor *before = &beam_scanner_element(call, row, 0, 0)->tensor;
  const DLTensor *after = &beam_scanner_element(call, row, 1, 0)->tensor;
  const size_t bytes = sizeof(int64_t) * (size_t)before->ndim;
  if (before->ndim != after->ndim || memcmp(before->shape, after->shape, bytes))
    return beam_scanner_fail(error, "the frames differ in shape");
  uint8_t *out = call->make_tensor(call->host, row, 0, &before->dtype, before->ndim,
                                   before->shape);
  if (!out) return 1;
  use->difference(before->data, after->data, out, samples_of(before));
  return 0;
}

static int32_t histogram_changes(const Instructions *use, const BeamScannerCall *call,
                                 int64_t row, char *error) {
  const DLTensor *counts = &beam_scanner_element(call, row, 0, 0)->tensor;
  const int64_t *shape = counts->shape;
  const DLDataType type = {1, 64, 1};
  (void)error;
  uint64_t *out = call->make_tensor(call->host, row, 0, &type, 1, shape);
  if (!out) return 1;
  use->changes(counts->data, out, shape[0], shape[1], shape[2]);
  return 0;
}

enum { BINS = 48, GRID_HEIGHT = 6, GRID_WIDTH = 8, ROWS = 180 };

/* Where a part of a line begins; every part has one sample or more. */
static int64_t part_begin(int64_t part, int64_t parts, int64_t size) {
  return part * size / parts;
}

static int64_t part_end(int64_t part, int64_t parts, int64_t size) {
  const int64_t begin = part_begin(part, parts, size);
  const int64_t end = part_begin(part + 1, parts, size);
  return end > begin ? end : begin + 1;
}

/* Means of the cells of a grid, row by row, rounded. */
static void grid_means(const Instructions *use, const uint8_t *rows, int64_t height,
                       int64_t width, uint16_t *sums, uint8_t *out) {
  for (int64_t y = 0; y < GRID_HEIGHT; ++y) {
    const int64_t top = part_begin(y, GRID_HEIGHT, height);
    const int64_t count = part_end(y, GRID_HEIGHT, height) - top;
    memset(sums, 0, (size_t)width * 3 * sizeof *sums);
    use->add_rows(rows + top * width * 3, sums, count, width * 3);
    for (int64_t x = 0; x < GRID_WIDTH; ++x) {
      const int64_t left = part_begin(x, GRID_WIDTH, width);
      const int64_t right = part_end(x, GRID_WIDTH, width);
      uint64_t total[3] = {0, 0, 0};
      for (int64_t i = left; i < right; ++i)
        for (int channel = 0; channel < 3; ++channel)
          total[channel] += sums[i * 3 + channel];
      const uint64_t pixels = (uint64_t)(count * (right - left));
      for (int channel = 0; channel < 3; ++channel)
        *out++ = (uint8_t)((total[channel] + pixels / 2) / pixels);
    }
  }
}

static int32_t shot_features(const Instructions *use, const BeamScannerCall *call,
                             int64_t row, char *error) {
  const DLTensor *frame = &beam_scanner_element(call, row, 0, 0)->tensor;
  const int64_t width = frame->shape[1], length = width * 3;
  const int64_t step = frame->shape[0] / ROWS > 1 ? frame->shape[0] / ROWS : 1;
  const int64_t height = (frame->shape[0] + step - 1) / step;
  const int64_t pixels = height * width, shape[1] = {BINS + GRID_HEIGHT * GRID_WIDTH * 3};
  const DLDataType type = {1, 8, 1};
  uint8_t *out = call->make_tensor(call->host, row, 0, &type, 1, shape);
  if (!out) return 1;
  if (pixels == 0) return beam_scanner_fail(error, "the frame has no pixels");
  const size_t copied = step > 1 ? (size_t)(pixels * 3) : 0;
  uint16_t *sums = malloc((size_t)length * sizeof *sums + copied);
  if (!sums) return beam_scanner_fail(error, "there is no memory");
  const uint8_t *rows = frame->data;
  if (copied) {
    uint8_t *copy = (uint8_t *)(sums + length);
    for (int64_t y = 0; y < height; ++y)
      memcpy(copy + y * length, rows + y * step * length, (size_t)length);
    rows = copy;
  }
  int32_t counts[3][16];
  memset(counts, 0, sizeof counts);
  const int64_t done = use->count(rows, pixels * 3, counts);
  count_samples(rows + done, pixels * 3 - done, counts);
  for (int bin = 0; bin < BINS; ++bin)
    *out++ = (uint8_t)(((int64_t)counts[bin / 16][bin % 16] * 255 + pixels / 2) / pixels);
  grid_means(use, rows, height, width, sums, out);
  free(sums);
  return 0;
}

static Run run_of(const char *op) {
  if (strcmp(op, "ShotFeatures") == 0) return shot_features;
  if (strcmp(op, "Histogram") == 0) return histogram;
  if (strcmp(op, "FrameDifference") == 0) return frame_difference;
  return strcmp(op, "HistogramChanges") == 0 ? histogram_changes : NULL;
}

static const char *describe(void) { return description; }

static int32_t create(const BeamScannerConfig *config, void **made, char *error) {
  /* The only argument, as Python's json writes it. */
  static const char before[] = "{\"instructions\": \"";
  const char *wanted = (const char *)config->arguments + strlen(before);
  const size_t length = (size_t)config->arguments_size - strlen(before) - strlen("\"}");
  const Run run = run_of(config->op);
  if (!run) return beam_scanner_fail(error, "there is no op %s", config->op);
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    const char *name = all[i].name;
    if (length && (strlen(name) != length || memcmp(name, wanted, length))) continue;
    if (!is_here(&all[i])) continue;
    Kernel *kernel = malloc(sizeof *kernel);
    if (!kernel) return beam_scanner_fail(error, "there is no memory");
    kernel->run = run;
    kernel->instructions = &all[i];
    *made = kernel;
    return 0;
  }
  return beam_scanner_fail(error, "this machine has no %.*s", (int)length, wanted);
}

static int32_t new_stream(void *kernel, const uint8_t *arguments, int64_t size,
                          char *error) {
  (void)kernel, (void)arguments, (void)size, (void)error;
  return 0;
}

static int32_t reset(void *kernel, char *error) {
  (void)kernel, (void)error;
  return 0;
}

static int32_t execute(void *self, const BeamScannerCall *call, char *error) {
  const Kernel *kernel = self;
  for (int64_t row = 0; row < call->rows; ++row)
    if (kernel->run(kernel->instructions, call, row, error)) return 1;
  return 0;
}

static void destroy(void *kernel) { free(kernel); }

const BeamScannerOps *beam_scanner_ops(void) {
  static const BeamScannerOps ops = {
      BEAM_SCANNER_OP_VERSION, sizeof(BeamScannerOps), describe, create, new_stream,
      reset, execute, destroy};
  return &ops;
}
