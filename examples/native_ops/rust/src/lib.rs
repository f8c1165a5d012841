//! An op in Rust: how bright the frames of a stream are, on the average of those so far.

mod interface;

use interface::{guarded, op_name, Call, Ops, RawCall, RawConfig, VERSION};
use std::ffi::{c_char, c_void};

const DESCRIPTION: &str = concat!(
    r#"{"ops": [{
  "name": "MeanBrightness",
  "doc": "The mean of all samples since the beginning of the stream.",
  "inputs": [{"name": "frame", "type": "FrameType", "dtype": "uint8"}],
  "outputs": [{"name": "mean", "type": "float"}],
  "unbounded_state": true
}]}"#,
    "\0"
);

#[derive(Default)]
struct MeanBrightness {
    sum: u64,
    count: u64,
}

impl MeanBrightness {
    fn execute(&mut self, call: &Call) -> Result<(), String> {
        for row in 0..call.rows() {
            let (samples, _) = call.frame(row, 0)?;
            self.sum += samples.iter().map(|&sample| u64::from(sample)).sum::<u64>();
            self.count += samples.len() as u64;
            if self.count == 0 {
                return Err("a frame without pixels has no brightness".into());
            }
            let mean = self.sum as f64 / self.count as f64;
            call.make_bytes(row, 0, &mean.to_le_bytes())?;
        }
        Ok(())
    }
}

extern "C" fn describe() -> *const c_char {
    DESCRIPTION.as_ptr().cast()
}

extern "C" fn create(
    config: *const RawConfig,
    kernel: *mut *mut c_void,
    error: *mut c_char,
) -> i32 {
    guarded(error, || {
        let name = op_name(unsafe { &*config });
        if name != "MeanBrightness" {
            return Err(format!("there is no op {name}"));
        }
        let made = Box::new(MeanBrightness::default());
        unsafe { *kernel = Box::into_raw(made).cast() };
        Ok(())
    })
}

fn kernel<'a>(address: *mut c_void) -> &'a mut MeanBrightness {
    // The package uses a kernel in one thread at a time.
    unsafe { &mut *address.cast() }
}

extern "C" fn new_stream(_: *mut c_void, _: *const u8, _: i64, _: *mut c_char) -> i32 {
    0
}

extern "C" fn reset(address: *mut c_void, error: *mut c_char) -> i32 {
    guarded(error, || {
        *kernel(address) = MeanBrightness::default();
        Ok(())
    })
}

extern "C" fn execute(address: *mut c_void, call: *const RawCall, error: *mut c_char) -> i32 {
    guarded(error, || kernel(address).execute(&Call(unsafe { &*call })))
}

extern "C" fn destroy(address: *mut c_void) {
    drop(unsafe { Box::from_raw(address.cast::<MeanBrightness>()) });
}

static OPS: Ops = Ops {
    version: VERSION,
    size: std::mem::size_of::<Ops>() as u32,
    describe,
    create,
    new_stream,
    reset,
    execute,
    destroy,
};

#[no_mangle]
pub extern "C" fn beam_scanner_ops() -> *const Ops {
    &OPS
}
