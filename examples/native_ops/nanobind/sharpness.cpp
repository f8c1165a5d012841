// A function for Python, by nanobind, and an op by the same code: tried in a notebook,
// then run over films.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <beam_scanner_op.hpp>

namespace nb = nanobind;

namespace {

// The variance of a gray picture's Laplacian: small where nothing is sharp.
double sharpness_of(const uint8_t *gray, int64_t height, int64_t width) {
  double sum = 0, squares = 0;
  int64_t count = 0;
  for (int64_t y = 1; y + 1 < height; ++y) {
    for (int64_t x = 1; x + 1 < width; ++x, ++count) {
      const uint8_t *at = gray + y * width + x;
      const int value = at[-width] + at[width] + at[-1] + at[1] - 4 * at[0];
      sum += value;
      squares += static_cast<double>(value) * value;
    }
  }
  return count ? squares / count - (sum / count) * (sum / count) : 0;
}

using Gray = nb::ndarray<const uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

class LaplacianSharpness : public beam_scanner::Kernel {
 public:
  explicit LaplacianSharpness(const beam_scanner::Config &) {}

  // No Python here: its lock is not held.
  void execute(beam_scanner::Call &call) override {
    for (int64_t row = 0; row < call.rows(); ++row) {
      const auto frame = call.frame(row);
      const double found =
          sharpness_of(frame.data<uint8_t>(), frame.height(), frame.width());
      std::memcpy(call.make_bytes(row, 0, sizeof found), &found, sizeof found);
    }
  }
};

}  // namespace

NB_MODULE(sharpness, module) {
  module.def(
      "sharpness",
      [](Gray gray) {
        return sharpness_of(gray.data(), static_cast<int64_t>(gray.shape(0)),
                            static_cast<int64_t>(gray.shape(1)));
      },
      nb::arg("gray"), "The variance of a gray picture's Laplacian.");
}

BEAM_SCANNER_OPS(R"({"ops": [
  {"name": "LaplacianSharpness",
   "doc": "The variance of a gray frame's Laplacian.",
   "inputs": [{"name": "gray", "type": "FrameType",
               "dtype": "uint8", "shape": [null, null, 1]}],
   "outputs": [{"name": "sharpness", "type": "float"}]}
]})",
                 {{"LaplacianSharpness", beam_scanner::make<LaplacianSharpness>}})
