// beam_scanner_op.h for C++17: kernels are classes, errors are exceptions.
//
//   struct Invert : beam_scanner::Kernel {
//     explicit Invert(const beam_scanner::Config &) {}
//     void execute(beam_scanner::Call &call) override { ... }
//   };
//   BEAM_SCANNER_OPS(R"({"ops": [{"name": "Invert", ...}]})",
//                    {{"Invert", beam_scanner::make<Invert>}})
#ifndef BEAM_SCANNER_OP_HPP_
#define BEAM_SCANNER_OP_HPP_

#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "beam_scanner_op.h"

namespace beam_scanner {

// A run of bytes that somebody else owns.
struct Bytes {
  const uint8_t *data;
  int64_t size;

  std::string str() const {
    return std::string(reinterpret_cast<const char *>(data), static_cast<size_t>(size));
  }
};

// A frame of an input, packed in C order.
class Frame {
 public:
  explicit Frame(const DLTensor &tensor) : tensor_(tensor) {}

  int dimensions() const { return tensor_.ndim; }
  int64_t size(int dimension) const { return tensor_.shape[dimension]; }
  int64_t height() const { return size(0); }
  int64_t width() const { return size(1); }
  int64_t channels() const { return size(2); }
  std::vector<int64_t> shape() const {
    return std::vector<int64_t>(tensor_.shape, tensor_.shape + tensor_.ndim);
  }
  // How many numbers it has.
  int64_t count() const {
    int64_t found = 1;
    for (int i = 0; i < tensor_.ndim; ++i) found *= tensor_.shape[i];
    return found;
  }
  const DLTensor &tensor() const { return tensor_; }
  // Its numbers; the description of the op says of which type they are.
  template <typename T>
  const T *data() const {
    if (tensor_.dtype.bits != 8 * sizeof(T))
      throw std::invalid_argument("a frame has numbers of " +
                                  std::to_string(tensor_.dtype.bits) + " bits");
    return static_cast<const T *>(tensor_.data);
  }

 private:
  const DLTensor &tensor_;
};

template <typename T>
struct TypeOf;
#define BEAM_SCANNER_TYPE(T, CODE)                                               \
  template <>                                                                    \
  struct TypeOf<T> {                                                             \
    static DLDataType get() {                                                    \
      DLDataType found{};                                                        \
      found.code = CODE;                                                         \
      found.bits = 8 * sizeof(T);                                                \
      found.lanes = 1;                                                           \
      return found;                                                              \
    }                                                                            \
  };
BEAM_SCANNER_TYPE(int8_t, 0)
BEAM_SCANNER_TYPE(int16_t, 0)
BEAM_SCANNER_TYPE(int32_t, 0)
BEAM_SCANNER_TYPE(int64_t, 0)
BEAM_SCANNER_TYPE(uint8_t, 1)
BEAM_SCANNER_TYPE(uint16_t, 1)
BEAM_SCANNER_TYPE(uint32_t, 1)
BEAM_SCANNER_TYPE(uint64_t, 1)
BEAM_SCANNER_TYPE(float, 2)
BEAM_SCANNER_TYPE(double, 2)
BEAM_SCANNER_TYPE(bool, 6)
#undef BEAM_SCANNER_TYPE

// The rows of one call, and where their outputs go; see BeamScannerCall.
class Call {
 public:
  explicit Call(const BeamScannerCall *call) : call_(*call) {}

  int64_t rows() const { return call_.rows; }
  int inputs() const { return call_.inputs; }
  int window() const { return call_.window; }
  bool is_null(int64_t row, int input = 0, int place = 0) const {
    return element(row, input, place).kind == BEAM_SCANNER_NULL;
  }
  Frame frame(int64_t row, int input = 0, int place = 0) const {
    const auto &found = element(row, input, place);
    if (found.kind != BEAM_SCANNER_TENSOR) throw std::invalid_argument("no frame");
    return Frame(found.tensor);
  }
  Bytes bytes(int64_t row, int input = 0, int place = 0) const {
    const auto &found = element(row, input, place);
    if (found.kind != BEAM_SCANNER_BYTES) throw std::invalid_argument("no bytes");
    return Bytes{found.bytes, found.size};
  }

  template <typename T>
  T *make_frame(int64_t row, int output, const std::vector<int64_t> &shape) {
    const DLDataType type = TypeOf<T>::get();
    return static_cast<T *>(
        made(call_.make_tensor(call_.host, row, output, &type,
                               static_cast<int32_t>(shape.size()), shape.data())));
  }
  uint8_t *make_bytes(int64_t row, int output, int64_t size) {
    return static_cast<uint8_t *>(
        made(call_.make_bytes(call_.host, row, output, size)));
  }
  void make_bytes(int64_t row, int output, const std::string &content) {
    const auto size = content.size();
    std::memcpy(make_bytes(row, output, static_cast<int64_t>(size)), content.data(),
                size);
  }
  void make_null(int64_t row, int output) {
    if (call_.make_null(call_.host, row, output) != 0) made(nullptr);
  }

 private:
  const BeamScannerElement &element(int64_t row, int input, int place) const {
    if (row < 0 || row >= call_.rows || input < 0 || input >= call_.inputs ||
        place < 0 || place >= call_.window)
      throw std::out_of_range("the call has no such element");
    return *beam_scanner_element(&call_, row, input, place);
  }
  static void *made(void *address) {
    if (!address) throw std::runtime_error("an output could not be made");
    return address;
  }

  const BeamScannerCall &call_;
};

// JSON arguments by name. A value of type "json" is given as its text.
class Arguments {
 public:
  explicit Arguments(Bytes json) : text_(json.str()) { read(); }

  bool has(const std::string &name) const { return values_.count(name) > 0; }
  std::string text(const std::string &name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw std::invalid_argument("no argument " + name);
    return found->second;
  }
  int64_t integer(const std::string &name) const {
    return std::strtoll(text(name).c_str(), nullptr, 10);
  }
  double number(const std::string &name) const {
    return std::strtod(text(name).c_str(), nullptr);
  }
  bool flag(const std::string &name) const { return text(name) == "true"; }

 private:
  // The text is an object that Python's json has written, in ASCII.
  void read() {
    while (at_ < text_.size() && text_[at_] != '"') ++at_;
    while (at_ < text_.size()) {
      const std::string name = string();
      skip(": ");
      values_[name] = text_.at(at_) == '"' ? string() : other();
      skip(", }");
    }
  }
  void skip(const char *characters) {
    while (at_ < text_.size() && std::strchr(characters, text_[at_])) ++at_;
  }
  std::string other() {
    const size_t start = at_;
    for (int depth = 0; depth > 0 || !std::strchr(",}", text_.at(at_)); ++at_) {
      if (text_[at_] == '"') {
        string();
        --at_;
      } else if (std::strchr("[{", text_[at_])) {
        ++depth;
      } else if (std::strchr("]}", text_[at_])) {
        --depth;
      }
    }
    return text_.substr(start, at_ - start);
  }
  std::string string() {
    std::string found;
    for (++at_; text_.at(at_) != '"'; ++at_) {
      if (text_[at_] != '\\') {
        found += text_[at_];
        continue;
      }
      const char escaped = text_.at(++at_);
      static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
      if (escaped == 'u') {
        append(found, unit());
      } else if (const char *place = std::strchr(names, escaped)) {
        found += meant[place - names];
      } else {
        found += escaped;
      }
    }
    ++at_;
    return found;
  }
  uint32_t unit() {
    uint32_t code = hexadecimal();
    if (code >= 0xD800 && code < 0xDC00 && text_.compare(at_ + 1, 2, "\\u") == 0) {
      at_ += 2;
      code = 0x10000 + ((code - 0xD800) << 10) + (hexadecimal() - 0xDC00);
    }
    return code;
  }
  uint32_t hexadecimal() {
    const std::string digits = text_.substr(at_ + 1, 4);
    at_ += 4;
    return static_cast<uint32_t>(std::strtoul(digits.c_str(), nullptr, 16));
  }
  static void append(std::string &text, uint32_t code) {
    if (code < 0x80) {
      text += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int first[] = {0, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(first[more] | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; --i)
      text += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }

  std::string text_;
  size_t at_ = 0;
  std::map<std::string, std::string> values_;
};

// What a kernel is made for.
struct Config {
  std::string op;
  Bytes arguments;  // valid in the constructor alone
  DLDevice device;

  Arguments json() const { return Arguments(arguments); }
};

// Base of kernels. Whatever a method throws becomes the error of the row.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void new_stream(Bytes) {}
  virtual void reset() {}
  virtual void execute(Call &call) = 0;
};

using Make = std::unique_ptr<Kernel> (*)(const Config &);

template <class T>
std::unique_ptr<Kernel> make(const Config &config) {
  return std::unique_ptr<Kernel>(new T(config));
}

// What stands behind BEAM_SCANNER_OPS.
const std::map<std::string, Make> &makers();

inline int32_t guarded(char *error, const std::function<void()> &body) {
  try {
    body();
    return 0;
  } catch (const std::exception &thrown) {
    return beam_scanner_fail(error, "%s", thrown.what());
  } catch (...) {
    return beam_scanner_fail(error, "an exception that is no std::exception");
  }
}

inline int32_t create(const BeamScannerConfig *config, void **kernel, char *error) {
  return guarded(error, [&] {
    const auto found = makers().find(config->op);
    if (found == makers().end()) throw std::invalid_argument("there is no such op");
    const Config own{config->op, {config->arguments, config->arguments_size},
                     config->device};
    *kernel = found->second(own).release();
  });
}

inline int32_t new_stream(void *kernel, const uint8_t *arguments, int64_t size,
                          char *error) {
  return guarded(error, [&] {
    static_cast<Kernel *>(kernel)->new_stream(Bytes{arguments, size});
  });
}

inline int32_t reset(void *kernel, char *error) {
  return guarded(error, [&] { static_cast<Kernel *>(kernel)->reset(); });
}

inline int32_t execute(void *kernel, const BeamScannerCall *call, char *error) {
  return guarded(error, [&] {
    Call own(call);
    static_cast<Kernel *>(kernel)->execute(own);
  });
}

inline void destroy(void *kernel) { delete static_cast<Kernel *>(kernel); }

}  // namespace beam_scanner

// Exports the ops: their description, and a list of {name, beam_scanner::make<Class>}.
#define BEAM_SCANNER_OPS(DESCRIPTION, ...)                                       \
  const std::map<std::string, beam_scanner::Make> &beam_scanner::makers() {      \
    static const std::map<std::string, beam_scanner::Make> all = __VA_ARGS__;    \
    return all;                                                                  \
  }                                                                              \
  extern "C" BEAM_SCANNER_EXPORT const BeamScannerOps *beam_scanner_ops(void) {  \
    static const BeamScannerOps table = {                                        \
        BEAM_SCANNER_OP_VERSION, sizeof(BeamScannerOps),                         \
        [] { return static_cast<const char *>(DESCRIPTION); },                   \
        beam_scanner::create, beam_scanner::new_stream, beam_scanner::reset,     \
        beam_scanner::execute, beam_scanner::destroy};                           \
    return &table;                                                               \
  }

#endif  // BEAM_SCANNER_OP_HPP_
