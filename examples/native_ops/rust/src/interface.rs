//! `beam_scanner_op.h` in Rust, and what makes its use safe.

use std::ffi::{c_char, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;

pub const VERSION: u32 = 1;
const ERROR_BYTES: usize = 1024;
pub const TENSOR: i32 = 2;

#[repr(C)]
pub struct Device {
    pub device_type: i32,
    pub device_id: i32,
}

#[repr(C)]
pub struct DataType {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

#[repr(C)]
pub struct Tensor {
    pub data: *const c_void,
    pub device: Device,
    pub ndim: i32,
    pub dtype: DataType,
    pub shape: *const i64,
    pub strides: *const i64,
    pub byte_offset: u64,
}

#[repr(C)]
pub struct Element {
    pub kind: i32,
    pub reserved: i32,
    pub bytes: *const u8,
    pub size: i64,
    pub tensor: Tensor,
}

#[repr(C)]
pub struct RawCall {
    pub rows: i64,
    pub inputs: i32,
    pub window: i32,
    pub outputs: i32,
    pub reserved: i32,
    pub elements: *const Element,
    pub host: *mut c_void,
    pub make_tensor: extern "C" fn(
        *mut c_void,
        i64,
        i32,
        *const DataType,
        i32,
        *const i64,
    ) -> *mut c_void,
    pub make_bytes: extern "C" fn(*mut c_void, i64, i32, i64) -> *mut u8,
    pub make_null: extern "C" fn(*mut c_void, i64, i32) -> i32,
}

#[repr(C)]
pub struct RawConfig {
    pub op: *const c_char,
    pub arguments: *const u8,
    pub arguments_size: i64,
    pub device: Device,
}

#[repr(C)]
pub struct Ops {
    pub version: u32,
    pub size: u32,
    pub describe: extern "C" fn() -> *const c_char,
    pub create: extern "C" fn(*const RawConfig, *mut *mut c_void, *mut c_char) -> i32,
    pub new_stream: extern "C" fn(*mut c_void, *const u8, i64, *mut c_char) -> i32,
    pub reset: extern "C" fn(*mut c_void, *mut c_char) -> i32,
    pub execute: extern "C" fn(*mut c_void, *const RawCall, *mut c_char) -> i32,
    pub destroy: extern "C" fn(*mut c_void),
}

/// The rows of one call, and where their outputs go.
pub struct Call<'a>(pub &'a RawCall);

impl Call<'_> {
    pub fn rows(&self) -> i64 {
        self.0.rows
    }

    /// The samples of a frame of bytes, and its shape; of an op without a stencil.
    pub fn frame(&self, row: i64, input: i32) -> Result<(&[u8], &[i64]), String> {
        if row < 0 || row >= self.0.rows || input < 0 || input >= self.0.inputs {
            return Err("the call has no such element".into());
        }
        let place = (row * i64::from(self.0.inputs) + i64::from(input)) as usize;
        let window = self.0.window as usize;
        // The package passes rows * inputs * window elements, and packed tensors.
        let element = unsafe { &*self.0.elements.add(place * window) };
        let tensor = &element.tensor;
        if element.kind != TENSOR || (tensor.dtype.code, tensor.dtype.bits) != (1, 8) {
            return Err("a frame of bytes is needed".into());
        }
        let shape = unsafe { slice::from_raw_parts(tensor.shape, tensor.ndim as usize) };
        let size = shape.iter().product::<i64>() as usize;
        let data = unsafe { slice::from_raw_parts(tensor.data.cast::<u8>(), size) };
        Ok((data, shape))
    }

    /// Makes an output that is no frame.
    pub fn make_bytes(&self, row: i64, output: i32, content: &[u8]) -> Result<(), String> {
        let size = content.len();
        let made = (self.0.make_bytes)(self.0.host, row, output, size as i64);
        if made.is_null() {
            return Err("an output could not be made".into());
        }
        unsafe { slice::from_raw_parts_mut(made, size) }.copy_from_slice(content);
        Ok(())
    }
}

pub fn op_name(config: &RawConfig) -> String {
    unsafe { CStr::from_ptr(config.op) }.to_string_lossy().into_owned()
}

/// Runs something; an error or a panic becomes the text in `error`.
pub fn guarded(error: *mut c_char, body: impl FnOnce() -> Result<(), String>) -> i32 {
    let text = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return 0,
        Ok(Err(text)) => text,
        Err(panic) => match panic.downcast_ref::<&str>() {
            Some(text) => (*text).to_string(),
            None => panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "a panic".into()),
        },
    };
    let kept = text.as_bytes().iter().take(ERROR_BYTES - 1);
    let out = unsafe { slice::from_raw_parts_mut(error.cast::<u8>(), ERROR_BYTES) };
    let end = kept.len();
    out.iter_mut().zip(kept).for_each(|(to, from)| *to = *from);
    out[end] = 0;
    1
}
