// Two of Scanner's own C++ ops, ported: TestIncrement, which keeps state, and Histogram.
#include <beam_scanner_op.hpp>

#include <array>

namespace {

using beam_scanner::Call;
using beam_scanner::Config;

// Counts the rows since it was reset, beginning with the argument `first`.
class TestIncrement : public beam_scanner::Kernel {
 public:
  explicit TestIncrement(const Config &config)
      : first_(config.json().integer("first")), next_(first_) {}

  void reset() override { next_ = first_; }

  void execute(Call &call) override {
    for (int64_t row = 0; row < call.rows(); ++row, ++next_) {
      std::memcpy(call.make_bytes(row, 0, sizeof next_), &next_, sizeof next_);
    }
  }

 private:
  const int64_t first_;
  int64_t next_;
};

// Counts the samples of each channel in 16 bins.
class ExampleHistogram : public beam_scanner::Kernel {
 public:
  explicit ExampleHistogram(const Config &) {}

  void execute(Call &call) override {
    for (int64_t row = 0; row < call.rows(); ++row) {
      const auto frame = call.frame(row);
      const auto *samples = frame.data<uint8_t>();
      std::array<std::array<int32_t, 16>, 3> counts{};
      for (int64_t i = 0; i < frame.count(); i += 3)
        for (int c = 0; c < 3; ++c) ++counts[c][samples[i + c] >> 4];
      std::memcpy(call.make_bytes(row, 0, sizeof counts), counts.data(), sizeof counts);
    }
  }
};

}  // namespace

BEAM_SCANNER_OPS(R"({"ops": [
  {"name": "TestIncrement",
   "doc": "Numbers the rows of a stream.",
   "inputs": [{"name": "ignore", "type": "FrameType"}],
   "outputs": [{"name": "integer", "type": "Bytes"}],
   "unbounded_state": true,
   "arguments": {"json": [
     {"name": "first", "type": "int", "default": 0, "doc": "The number of row 0."}]}},
  {"name": "ExampleHistogram",
   "doc": "Counts each channel in 16 bins.",
   "inputs": [{"name": "frame", "type": "FrameType",
               "dtype": "uint8", "shape": [null, null, 3]}],
   "outputs": [{"name": "histogram", "type": "Histogram"}],
   "batch": 8}
]})",
                 {{"TestIncrement", beam_scanner::make<TestIncrement>},
                  {"ExampleHistogram", beam_scanner::make<ExampleHistogram>}})
