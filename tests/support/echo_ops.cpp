// Gives its arguments back, as the C++ header reads them, and what C++ code throws.
#include <beam_scanner_op.hpp>

namespace {

class Echo : public beam_scanner::Kernel {
 public:
  explicit Echo(const beam_scanner::Config &config)
      : given_(config.json()), device_(config.device) {
    if (config.op != "Echo") throw 7;
  }

  void execute(beam_scanner::Call &call) override {
    const std::string what = call.bytes(0).str();
    if (what == "throw") throw std::runtime_error("thrown %s");
    if (what == "throw a number") throw 7;
    if (what == "frame") call.frame(0);
    if (what == "row") call.bytes(1);
    if (what == "place") call.bytes(0, 0, 1);
    if (what == "twice") call.make_bytes(0, 0, "a"), call.make_bytes(0, 0, "b");
    if (what == "null") return call.make_null(0, 0);
    if (what == "int") return call.make_bytes(0, 0, std::to_string(given_.integer("i")));
    if (what == "flag") return call.make_bytes(0, 0, given_.flag("b") ? "yes" : "no");
    if (what == "device")
      return call.make_bytes(0, 0, std::to_string(device_.device_type) + " " +
                                       std::to_string(device_.device_id));
    if (what == "number") {
      const double number = given_.number("f");
      std::memcpy(call.make_bytes(0, 0, sizeof number), &number, sizeof number);
      return;
    }
    call.make_bytes(0, 0, given_.text(what));
  }

 private:
  const beam_scanner::Arguments given_;
  const DLDevice device_;
};

}  // namespace

BEAM_SCANNER_OPS(R"({"ops": [
  {"name": "Echo",
   "inputs": [{"name": "what", "type": "Bytes"}],
   "outputs": [{"name": "value", "type": "Bytes"}],
   "devices": ["cpu", "gpu"],
   "arguments": {"json": [
     {"name": "s", "type": "str", "default": ""},
     {"name": "j", "type": "json", "default": null},
     {"name": "i", "type": "int", "default": 0},
     {"name": "f", "type": "float", "default": 0},
     {"name": "b", "type": "bool", "default": false}]}},
  {"name": "EchoNone",
   "inputs": [{"name": "what", "type": "Bytes"}],
   "outputs": [{"name": "value", "type": "Bytes"}]}
]})",
                 {{"Echo", beam_scanner::make<Echo>},
                  {"EchoNone", beam_scanner::make<Echo>}})
