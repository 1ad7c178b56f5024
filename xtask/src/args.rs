//! The command line: which verb, with which words left for the program behind it.

use std::ffi::{OsStr, OsString};

use crate::error::Failure;
use crate::kernels::Release;

/// The text of `cargo xtask help`.
pub(crate) const HELP: &str = "\
cargo xtask <verb>: developer verbs. Each finds or installs what it needs.

  setup                            everything that the other verbs need, nothing else
  demo [--jsonl FILE] [--keep] …   the product on this machine: two nodes, a shop, its policies, live flows
  test [--no-kernel] [cargo args]  unit, integration and end-to-end tests; --no-kernel leaves out what needs
                                   root, a kernel with BTF and the BPF toolchain
  bench capture [--rounds N] …     release build, then what the probes and the agent cost on the real kernel, beside
                                   nobody and a simple observer; --into FILE puts the tables there
  bench pipeline                   events through the agent's user space; needs no root
  bench wire                       bytes and time per record between agent and collector; needs no root
  bench collector [--rounds N] …   a collector under agents' load, beside a message per record; needs no root; --into FILE
                                   puts the tables there
  bench policy                     decisions, changes and memory of a large cluster; needs no root
  soak capture [--connections N]   release build, then a million short connections past one agent: all told, memory steady
  soak faults [--count N]          agents and collector killed, connections cut, disks full, 400 times: what the ledger and the
                                   graph hold at the end is what was told, and the rest was counted
  kernels [--kernel 6.1] [words]   the kernel tests on other kernels, in a virtual machine: 6.1 and 6.12, or that one;
                                   words are for the test program, as names of tests; fetches Debian packages
  ebpf                             the agent and, with it, the BPF object
  check                            format, lints and documentation, without warnings
  help                             this text

Other words after `demo`, `bench capture` and `soak capture` are passed to `portolan-lab`, words after `bench collector` to the
benchmark, words after `test` to `cargo test`.
";

/// One verb with what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Provide everything.
    Setup,
    /// Show the product.
    Demo(Vec<OsString>),
    /// Run the tests.
    Test {
        /// Leave out what needs root and the kernel.
        no_kernel: bool,
        /// For `cargo test`.
        rest: Vec<OsString>,
    },
    /// Measure the probes and the agent on the real kernel.
    BenchCapture(Vec<OsString>),
    /// Measure the agent's user space.
    BenchPipeline,
    /// Measure records between agent and collector.
    BenchWire,
    /// Measure the collector under load.
    BenchCollector(Vec<OsString>),
    /// Measure the evaluator in a large cluster.
    BenchPolicy,
    /// Very many connections past one agent.
    SoakCapture(Vec<OsString>),
    /// So many faults around agents, collector, connections and disks.
    SoakFaults(u64),
    /// Run the kernel tests on other kernels.
    Kernels {
        /// Which.
        kernels: Vec<Release>,
        /// For the test program.
        rest: Vec<OsString>,
    },
    /// Build the BPF object.
    Ebpf,
    /// Format, lints, documentation.
    Check,
    /// Print the usage.
    Help,
}

/// Reads the words after `cargo xtask`.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Verb, Failure> {
    let mut words = words.into_iter();
    let Some(verb) = words.next() else { return Ok(Verb::Help) };
    let rest: Vec<OsString> = words.collect();
    if asks_for_help(&verb, &rest) {
        return Ok(Verb::Help);
    }
    match verb.to_str() {
        Some("setup") => bare("setup", &rest, Verb::Setup),
        Some("ebpf") => bare("ebpf", &rest, Verb::Ebpf),
        Some("check") => bare("check", &rest, Verb::Check),
        Some("demo") => Ok(Verb::Demo(rest)),
        Some("bench") => bench(&rest),
        Some("soak") => soak(&rest),
        Some("test") => Ok(test(rest)),
        Some("kernels") => kernels(rest),
        _ => Err(Failure::Usage(format!("there is no verb `{}`", verb.display()))),
    }
}

fn asks_for_help(verb: &OsStr, rest: &[OsString]) -> bool {
    let is_help = |word: &OsStr| word == "--help" || word == "-h";
    verb == "help" || is_help(verb) || rest.first().is_some_and(|word| is_help(word))
}

fn bare(name: &str, rest: &[OsString], verb: Verb) -> Result<Verb, Failure> {
    match rest.first() {
        None => Ok(verb),
        Some(extra) => Err(Failure::Usage(format!("`{name}` takes no argument, got `{}`", extra.display()))),
    }
}

/// The first word names the benchmark.
fn bench(words: &[OsString]) -> Result<Verb, Failure> {
    const NAMES: &str =
        "`bench capture`, `bench pipeline`, `bench wire`, `bench collector` and `bench policy`";
    let Some((name, rest)) = words.split_first() else {
        return Err(Failure::Usage(format!("which benchmark? There are {NAMES}")));
    };
    match name.to_str() {
        Some("capture") => Ok(Verb::BenchCapture(rest.to_vec())),
        Some("pipeline") => bare("bench pipeline", rest, Verb::BenchPipeline),
        Some("wire") => bare("bench wire", rest, Verb::BenchWire),
        Some("collector") => Ok(Verb::BenchCollector(rest.to_vec())),
        Some("policy") => bare("bench policy", rest, Verb::BenchPolicy),
        _ => Err(Failure::Usage(format!("there is no benchmark `{}`; there are {NAMES}", name.display()))),
    }
}

/// How many faults a soak makes where nobody says: about a quarter of an hour.
const FAULTS: u64 = 400;

/// The first word names the soak.
fn soak(words: &[OsString]) -> Result<Verb, Failure> {
    const NAMES: &str = "`soak capture` and `soak faults`";
    let Some((name, rest)) = words.split_first() else {
        return Err(Failure::Usage(format!("which soak? There are {NAMES}")));
    };
    match name.to_str() {
        Some("capture") => Ok(Verb::SoakCapture(rest.to_vec())),
        Some("faults") => faults(rest),
        _ => Err(Failure::Usage(format!("there is no soak `{}`; there are {NAMES}", name.display()))),
    }
}

fn faults(words: &[OsString]) -> Result<Verb, Failure> {
    let count = match words {
        [] => Some(FAULTS),
        [flag, count] if flag == "--count" => count.to_str().and_then(|count| count.parse().ok()),
        _ => None,
    };
    let wrong = || Failure::Usage("`soak faults` takes `--count N` or nothing".to_owned());
    count.map(Verb::SoakFaults).ok_or_else(wrong)
}

/// `--no-kernel` is ours wherever it stands before `--`; the rest is cargo's.
fn test(words: Vec<OsString>) -> Verb {
    let ours = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (mut no_kernel, mut rest) = (false, Vec::new());
    for (at, word) in words.into_iter().enumerate() {
        if at < ours && word == "--no-kernel" {
            no_kernel = true;
        } else {
            rest.push(word);
        }
    }
    Verb::Test { no_kernel, rest }
}

/// `--kernel` names one; everything else is for the test program.
fn kernels(mut words: Vec<OsString>) -> Result<Verb, Failure> {
    let Some(at) = words.iter().position(|word| word == "--kernel") else {
        return Ok(Verb::Kernels { kernels: Release::ALL.to_vec(), rest: words });
    };
    let named = words.get(at + 1).map(|word| word.to_string_lossy().into_owned());
    let named = named.ok_or_else(|| Failure::Usage("`--kernel` needs a release, as `6.1`".to_owned()))?;
    let kernel = named.parse().map_err(Failure::Usage)?;
    words.drain(at..at + 2);
    Ok(Verb::Kernels { kernels: vec![kernel], rest: words })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Verb, Failure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_verb_without_arguments_refuses_one() {
        assert_eq!(read("setup").unwrap(), Verb::Setup);
        let refused = read("setup now").unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().contains("`now`"), "{refused}");
    }

    #[test]
    fn an_unknown_verb_is_named() {
        assert!(read("deploy").unwrap_err().to_string().contains("`deploy`"));
    }

    #[test]
    fn help_is_the_answer_to_nothing_and_to_asking() {
        for line in ["", "help", "--help", "-h", "demo --help"] {
            assert_eq!(read(line).unwrap(), Verb::Help, "{line:?}");
        }
    }

    #[test]
    fn no_kernel_is_taken_out_and_the_rest_is_passed_on() {
        let verb = read("test -p portolan-policy --no-kernel --lib").unwrap();
        assert_eq!(verb, Verb::Test { no_kernel: true, rest: words("-p portolan-policy --lib") });
    }

    #[test]
    fn what_follows_two_dashes_belongs_to_the_test_binaries() {
        let verb = read("test -- --no-kernel").unwrap();
        assert_eq!(verb, Verb::Test { no_kernel: false, rest: words("-- --no-kernel") });
    }

    #[test]
    fn demo_and_bench_pass_their_words_on() {
        assert_eq!(read("demo --jsonl f --keep").unwrap(), Verb::Demo(words("--jsonl f --keep")));
        assert_eq!(read("bench capture --seconds 3").unwrap(), Verb::BenchCapture(words("--seconds 3")));
        assert_eq!(read("bench capture").unwrap(), Verb::BenchCapture(vec![]));
    }

    #[test]
    fn a_soak_has_a_name_and_passes_its_words_on() {
        let words = words("--connections 5");
        assert_eq!(read("soak capture --connections 5").unwrap(), Verb::SoakCapture(words));
        assert_eq!(read("soak faults --count 5").unwrap(), Verb::SoakFaults(5));
        assert_eq!(read("soak faults").unwrap(), Verb::SoakFaults(FAULTS));
        for (line, word) in [
            ("soak", "`soak capture`"),
            ("soak --connections 5", "`--connections`"),
            ("soak faults --count many", "`--count N`"),
        ] {
            assert!(read(line).unwrap_err().to_string().contains(word), "{line}");
        }
    }

    #[test]
    fn a_kernel_is_named_and_the_rest_is_for_the_tests() {
        let one = read("kernels alone:: --kernel 6.1").unwrap();
        assert_eq!(one, Verb::Kernels { kernels: vec!["6.1".parse().unwrap()], rest: words("alone::") });
        assert_eq!(read("kernels").unwrap(), Verb::Kernels { kernels: Release::ALL.to_vec(), rest: vec![] });
        for line in ["kernels --kernel", "kernels --kernel six"] {
            assert_eq!(read(line).unwrap_err().code(), 2, "{line}");
        }
    }

    #[test]
    fn a_benchmark_has_a_name() {
        assert_eq!(read("bench policy").unwrap(), Verb::BenchPolicy);
        assert_eq!(read("bench pipeline").unwrap(), Verb::BenchPipeline);
        assert_eq!(read("bench wire").unwrap(), Verb::BenchWire);
        let words = words("--rounds 3");
        assert_eq!(read("bench collector --rounds 3").unwrap(), Verb::BenchCollector(words));
        let wrong = [
            ("bench policy --rounds 3", "`--rounds`"),
            ("bench polcy", "`polcy`"),
            ("bench --rounds 3", "`--rounds`"),
            ("bench", "`bench capture`"),
        ];
        for (line, word) in wrong {
            let refused = read(line).unwrap_err();
            assert_eq!(refused.code(), 2, "{line}");
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }
}
