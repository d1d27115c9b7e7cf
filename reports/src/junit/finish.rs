//! Post-processes the output of `junit-report`, so that it fits the schemas of Jenkins and Maven Surefire.
//!
//! The crate writes no `skipped` count (Surefire requires it), a `type` on `<skipped>` (Surefire knows none),
//! seconds with float noise (Surefire takes three decimals), and no totals on the root. `hostname` and `id` are
//! dropped because they say nothing, `package` because Jenkins puts it before a suite's name.

use comeback_error::{Context as _, Result};
use junit_report::{Duration, Report, TestSuite};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

/// The same document with the counts, times and attributes that the schemas want, indented for people.
pub(crate) fn finish(written: &str, report: &Report) -> Result<String> {
    let mut reader = Reader::from_str(written);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let mut touch = Touch { report, suite: 0, case: 0 };
    loop {
        let event = match reader.read_event().context("cannot read back the JUnit report")? {
            Event::Eof => break,
            Event::Start(tag) => Event::Start(touch.tag(&tag)?),
            Event::Empty(tag) => Event::Empty(touch.tag(&tag)?),
            other => other,
        };
        writer.write_event(event).context("cannot write the JUnit report")?;
    }
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).context("cannot write the JUnit report")
}

/// The position in the report: elements come in the order in which the report holds them.
struct Touch<'a> {
    report: &'a Report,
    suite: usize,
    case: usize,
}

impl Touch<'_> {
    fn tag(&mut self, tag: &BytesStart<'_>) -> Result<BytesStart<'static>> {
        let name = tag.name().as_ref().to_owned();
        let mut kept = BytesStart::new(name.clone());
        for attribute in tag.attributes() {
            let attribute = attribute.context("cannot read back the JUnit report")?;
            let dropped = matches!(
                (name.as_str(), attribute.key.as_ref()),
                (_, "time") | ("testsuite", "id" | "package" | "hostname") | ("skipped", "type")
            );
            if !dropped {
                kept.push_attribute(attribute);
            }
        }
        let suites = self.report.testsuites();
        match name.as_str() {
            "testsuites" => {
                let sum =
                    |figure: fn(&TestSuite) -> usize| suites.iter().map(figure).sum::<usize>().to_string();
                kept.push_attribute(("name", "comeback"));
                kept.push_attribute(("tests", sum(TestSuite::tests).as_str()));
                kept.push_attribute(("failures", sum(TestSuite::failures).as_str()));
                kept.push_attribute(("errors", sum(TestSuite::errors).as_str()));
                let total = suites.iter().fold(Duration::ZERO, |sum, suite| sum.saturating_add(suite.time()));
                kept.push_attribute(("time", seconds(total).as_str()));
            }
            "testsuite" => {
                if let Some(suite) = suites.get(self.suite) {
                    kept.push_attribute(("skipped", suite.skipped().to_string().as_str()));
                    kept.push_attribute(("time", seconds(suite.time()).as_str()));
                }
                (self.suite, self.case) = (self.suite + 1, 0);
            }
            "testcase" => {
                let suite = self.suite.checked_sub(1).and_then(|index| suites.get(index));
                if let Some(case) = suite.and_then(|suite| suite.testcases().get(self.case)) {
                    kept.push_attribute(("time", seconds(*case.time()).as_str()));
                }
                self.case += 1;
            }
            _ => {}
        }
        Ok(kept)
    }
}

fn seconds(time: Duration) -> String {
    let ms = time.whole_milliseconds().max(0);
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
