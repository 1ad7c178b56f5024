//! The verbs, one file each.

mod bench;
mod check;
mod demo;
mod ebpf;
mod kernels;
mod lab;
mod setup;
mod soak;
mod test;

use crate::args::{self, Verb};
use crate::error::Failure;
use crate::say;
use crate::toolchain::Toolchain;

/// Runs a verb.
pub(crate) fn run(verb: Verb) -> Result<(), Failure> {
    let toolchain = Toolchain::current();
    match verb {
        Verb::Setup => setup::run(&toolchain),
        Verb::Demo(rest) => demo::run(&rest, &toolchain),
        Verb::Test { no_kernel, rest } => test::run(no_kernel, &rest, &toolchain),
        Verb::BenchCapture(rest) => bench::capture(&rest, &toolchain),
        Verb::BenchPipeline => bench::pipeline(&toolchain),
        Verb::SoakCapture(rest) => soak::capture(&rest, &toolchain),
        Verb::SoakFaults(count) => soak::faults(count, &toolchain),
        Verb::BenchWire => bench::wire(&toolchain),
        Verb::BenchCollector(rest) => bench::collector(&rest, &toolchain),
        Verb::BenchPolicy => bench::policy(&toolchain),
        Verb::Kernels { kernels, rest } => kernels::run(&kernels, &rest, &toolchain),
        Verb::Ebpf => ebpf::run(&toolchain),
        Verb::Check => check::run(&toolchain),
        Verb::Help => {
            say::answer(args::HELP);
            Ok(())
        }
    }
}
