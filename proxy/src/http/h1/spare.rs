//! Buffers that no connection of this worker uses at the moment. What one gives back the next one takes while it still lies in
//! the processor's cache, and a connection that waits holds none.

use std::cell::RefCell;

use super::input::READ;

/// More than a worker has in its hands at once; the rest is freed.
const MOST: usize = 4;

/// Room for a head and a small body.
const HEAD: usize = 4 * 1024;

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { inputs: Vec::new(), outputs: Vec::new() }) };
}

struct Spare {
    /// `READ` long, each byte written once.
    inputs: Vec<Vec<u8>>,
    /// Empty, with some capacity.
    outputs: Vec<Vec<u8>>,
}

/// A buffer to read into, `READ` long. What stands in it is not what was read.
pub(super) fn input() -> Vec<u8> {
    SPARE.with_borrow_mut(|spare| spare.inputs.pop()).unwrap_or_else(|| vec![0; READ])
}

/// Gives such a buffer back.
pub(super) fn give_input(buffer: Vec<u8>) {
    debug_assert_eq!(buffer.len(), READ);
    // A thread that ends keeps none.
    let _ = SPARE.try_with(|spare| give(&mut spare.borrow_mut().inputs, buffer));
}

/// A buffer to write into, empty.
pub(super) fn output() -> Vec<u8> {
    SPARE.with_borrow_mut(|spare| spare.outputs.pop()).unwrap_or_else(|| Vec::with_capacity(HEAD))
}

/// Gives such a buffer back.
pub(super) fn give_output(buffer: Vec<u8>) {
    debug_assert!(buffer.is_empty());
    SPARE.with_borrow_mut(|spare| give(&mut spare.outputs, buffer));
}

fn give(spare: &mut Vec<Vec<u8>>, buffer: Vec<u8>) {
    if spare.len() < MOST {
        spare.push(buffer);
    }
}
