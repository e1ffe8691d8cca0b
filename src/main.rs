//! The program: everything is in the library.

use std::process::ExitCode;

/// A large tenant is many small objects: they take less memory and less time than with the C library's
/// allocator. The engine of the feature `rego` brings the same one, and counts with it.
#[cfg(not(feature = "rego"))]
#[global_allocator]
static ALLOCATOR: regorus_mimalloc::mimalloc::Mimalloc = regorus_mimalloc::mimalloc::Mimalloc;

fn main() -> ExitCode {
    kvops::cli::main(std::env::args_os())
}
