//! Load for SMTP and LMTP servers: see `--help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use guerrilla_bench::options::Options;
use guerrilla_bench::report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    let tally = match options
        .plan()
        .and_then(|plan| plan.run(options.quiet).map_err(|error| error.to_string()))
    {
        Ok(tally) => tally,
        Err(fault) => {
            eprintln!("guerrilla-bench: {fault}");
            return ExitCode::from(2);
        }
    };
    let report = Report::new(&tally, &options.address);
    if options.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text());
    }
    ExitCode::from(report.exit_status())
}
