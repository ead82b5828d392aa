//! What the program says when its memory runs out: under a small `ulimit -v`, std only aborts.
#![allow(unsafe_code)] // a platform file: an allocator, and the end of the process

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; if it has no more memory, the program ends with words.
pub struct Allocator;

const WORDS: &[u8] = b"error: not enough memory\n\
    fix: Close other programs, or raise the limit (ulimit -v). Then run the same command again.\n";

/// A write beyond `ulimit -f` is then an error with words, and does not kill the program.
pub(super) fn keep_running_at_the_file_size_limit() {
    const SIGXFSZ: i32 = 25;
    const SIG_IGN: usize = 1;
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    // SAFETY: signal(2) with SIG_IGN installs no code, and no thread was started yet.
    unsafe {
        signal(SIGXFSZ, SIG_IGN);
    }
}

/// Where the address space is limited (`ulimit -v`), all threads share one heap: a heap for each
/// takes 64 MiB of addresses, whether it is used or not, and more of them the more there is.
pub(super) fn share_a_heap_where_memory_is_limited() {
    #[cfg(target_env = "gnu")]
    if rustix::process::getrlimit(rustix::process::Resource::As).current.is_some() {
        const M_ARENA_MAX: i32 = -8;
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        // SAFETY: mallopt(3) only stores the number, and no thread was started yet.
        unsafe {
            mallopt(M_ARENA_MAX, 1);
        }
    }
}

fn checked(memory: *mut u8) -> *mut u8 {
    unsafe extern "C" {
        fn _exit(code: i32) -> !;
    }
    if memory.is_null() {
        let _ = rustix::io::write(rustix::stdio::stderr(), WORDS);
        // SAFETY: _exit(2) takes any code, and does not return. exit(3) would run handlers,
        // which may need memory.
        unsafe { _exit(1) }
    }
    memory
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this function.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this function.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as this function.
        checked(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as this function.
        unsafe { System.dealloc(memory, layout) }
    }
}
