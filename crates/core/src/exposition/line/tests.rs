use super::*;

type Read = (String, Vec<(String, String)>, String);

fn sample_in(format: Format, line: &str) -> Result<Read, String> {
    match parse(line, format) {
        Ok(Line::Sample(sample)) => {
            let labels = sample.labels().map(|l| (l.name.value().into_owned(), l.value.value().into_owned()));
            Ok((sample.name.value().into_owned(), labels.collect(), sample.value.to_owned()))
        }
        Ok(other) => Err(format!("{other:?}")),
        Err(Unexpected { expected, found }) => Err(format!("{expected} | {found}")),
    }
}

fn sample(line: &str) -> Result<Read, String> {
    sample_in(Format::Text, line)
}

#[test]
fn samples_are_read_whatever_their_labels_hold() {
    for (line, name, labels, value) in [
        ("x 1", "x", vec![], "1"),
        ("\t x \t 1 \t ", "x", vec![], "1"),
        ("x{} 1", "x", vec![], "1"),
        ("x {\t} +Inf", "x", vec![], "+Inf"),
        ("x{}1", "x", vec![], "1"),
        ("job:x:rate5m NaN -17", "job:x:rate5m", vec![], "NaN"),
        (":x 1e-3 1700000000000", ":x", vec![], "1e-3"),
        (r#"x{a="1"} 2"#, "x", vec![("a", "1")], "2"),
        (r#"x{ a = "1" , b = "2" , } 2"#, "x", vec![("a", "1"), ("b", "2")], "2"),
        (r#"x{a="b,c=\"d\"}"} 2"#, "x", vec![("a", "b,c=\"d\"}")], "2"),
        (r#"x{a="\\n\n\\"} 2"#, "x", vec![("a", "\\n\n\\")], "2"),
        (r#"{"my.metric"} 2"#, "my.metric", vec![], "2"),
        (
            r#"{ "a \"b\"\n}" , "my.label" = "1", b="2" , }2"#,
            "a \"b\"\n}",
            vec![("my.label", "1"), ("b", "2")],
            "2",
        ),
        (r#"x{"a"="1"} 2"#, "x", vec![("a", "1")], "2"),
        (r#"x{a="{",b="é # "} 2"#, "x", vec![("a", "{"), ("b", "é # ")], "2"),
    ] {
        let labels = labels.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(sample(line), Ok((name.to_owned(), labels, value.to_owned())), "{line}");
    }
}

#[test]
fn garbage_is_told_with_what_was_expected() {
    for (line, message) in [
        ("<html>", "a metric name | <html>"),
        ("5xx 1", "a metric name | 5xx 1"),
        ("x", "a blank or `{` after the metric name | "),
        ("x-y 1", "a blank or `{` after the metric name | -y 1"),
        ("x ", "a number as value | "),
        ("x one", "a number as value | one"),
        ("x 0x1p4", "a number as value | 0x1p4"),
        ("x 1_000", "a number as value | 1_000"),
        ("x 1\r", "a number as value | 1\r"),
        ("x 1 1.5", "a timestamp in whole milliseconds or the end of the line | 1.5"),
        ("x 1 # {id=\"7\"} 1", "a timestamp in whole milliseconds or the end of the line | # {id=\"7\"} 1"),
        ("x 1 2 3", "the end of the line | 3"),
        ("x{,} 1", "a label name or `}` | ,} 1"),
        ("x{a=\"1\",,} 1", "a label name or `}` | ,} 1"),
        ("x{a:b=\"1\"} 1", "`=` after the label name | :b=\"1\"} 1"),
        ("x{\"a\"} 1", "`=` after the label name | } 1"),
        ("{} 1", "a metric name in double quotes, as there is none before the brace | } 1"),
        ("{a=\"1\"} 1", "a metric name in double quotes, as there is none before the brace | a=\"1\"} 1"),
        ("{\"a\"=\"1\"} 1", "`,` or `}` after the metric name | =\"1\"} 1"),
        ("\"x\" 1", "a metric name | \"x\" 1"),
        ("x{a='1'} 1", "a label value in double quotes | '1'} 1"),
        ("x{a=\"1\" b=\"2\"} 1", "`,` or `}` after the label value | b=\"2\"} 1"),
        (r#"x{a="\t"} 1"#, r#"`\\`, `\"` or `\n` as escape | \t"} 1"#),
        (r#"x{a="1"#, "a closing quote | 1"),
        (r#"x{a="1""#, "`,` or `}` after the label value | "),
        ("# TYPE", "a metric name after TYPE | "),
        ("# TYPE x", "a type after the metric name | "),
        ("# TYPE x counter x", "nothing after the type | x"),
        ("# HELP 7 x", "a metric name after HELP | 7 x"),
    ] {
        assert_eq!(sample(line), Err(message.to_owned()), "{line}");
    }
}

#[test]
fn other_lines_are_types_or_nothing() {
    for line in ["", " \t", "#", "# anything", "# HELP x", "# HELP x {\"", "# EOF", "# HELPX"] {
        assert_eq!(parse(line, Format::Text), Ok(Line::Nothing), "{line}");
    }
    for line in ["# TYPE a:x counter", "#TYPE a:x counter ", " # \t TYPE\ta:x  counter"] {
        let family = Text("a:x");
        assert_eq!(parse(line, Format::Text), Ok(Line::Type { family, kind: "counter" }), "{line}");
    }
}

#[test]
fn open_metrics_has_seconds_and_exemplars() {
    for (line, name, labels) in [
        ("x 1", "x", vec![]),
        ("x{} 1", "x", vec![]),
        ("x 1 1700000000.123", "x", vec![]),
        ("x 1 -1e3", "x", vec![]),
        (r#"x{a="1", b="2",} 1 1700000000 # {} 1"#, "x", vec![("a", "1"), ("b", "2")]),
        (r#"x{a="\q\\"} 1"#, "x", vec![("a", "\\q\\")]),
        (r#"{"my.metric","my.label"="}"} 1"#, "my.metric", vec![("my.label", "}")]),
        (r#"x_total 1 # {trace_id="abc"} 0.67 1520879607.789"#, "x_total", vec![]),
        (r#"x_bucket{le="1"} 1 # {id="} 7 # {\"x"} +Inf"#, "x_bucket", vec![("le", "1")]),
        (r#"x 1 # {"odd.label"="\n",é="1"} 1"#, "", vec![]),
        (r#"x 1 # {"odd.label"="\n","é"="1"} nan 1.5"#, "x", vec![]),
    ] {
        let labels: Vec<_> =
            labels.into_iter().map(|(n, v): (&str, &str)| (n.to_owned(), v.to_owned())).collect();
        let read = sample_in(Format::OpenMetrics, line);
        if name.is_empty() {
            assert!(read.unwrap_err().starts_with("a label name or `}` | é"), "{line}");
        } else {
            assert_eq!(read, Ok((name.to_owned(), labels, "1".to_owned())), "{line}");
        }
    }
}

#[test]
fn open_metrics_is_strict_about_spaces_and_comments() {
    for (line, message) in [
        ("", "a metric name | "),
        (" x 1", "a metric name |  x 1"),
        ("x  1", "a number as value |  1"),
        ("x\t1", "a blank or `{` after the metric name | \t1"),
        ("x {} 1", "a number as value | {} 1"),
        ("x{}1", "a space after the labels | 1"),
        ("x 1 ", "a timestamp in seconds, an exemplar or the end of the line | "),
        ("x 1 2 ", "an exemplar (` # {...} <value>`) or the end of the line |  "),
        ("x 1 2 3", "an exemplar (` # {...} <value>`) or the end of the line |  3"),
        ("x 1 now", "a timestamp in seconds, an exemplar or the end of the line | now"),
        ("x 1 1e999", "a timestamp in seconds, an exemplar or the end of the line | 1e999"),
        ("x 1 # anything", "an exemplar (` # {...} <value>`) or the end of the line |  # anything"),
        ("x 1 # {a=\"b\"}", "a space after the labels | "),
        ("x 1 # {a=\"b\"} ", "a number as the value of the exemplar | "),
        ("x 1 # {a=\"b} 1", "a closing quote | b} 1"),
        ("x 1 # {} 1 x", "a timestamp in seconds or the end of the line | x"),
        ("x 1 # {} 1 2 # {} 1", "the end of the line |  # {} 1"),
        ("# a comment", "HELP, TYPE, UNIT or EOF after `#` and a space |  a comment"),
        ("#EOF", "HELP, TYPE, UNIT or EOF after `#` and a space | EOF"),
        ("# EOF ", "the end of the line after EOF |  "),
        ("# TYPE x", "a type after the metric name | "),
        ("# TYPE x untyped", "a type that OpenMetrics has | untyped"),
        ("# TYPE x counter ", "nothing after the type |  "),
        ("# UNIT x_seconds bytes", "a metric name that ends in `_` and the unit | x_seconds bytes"),
        ("# UNIT xseconds seconds", "a metric name that ends in `_` and the unit | xseconds seconds"),
        ("# UNIT 7 seconds", "a metric name after UNIT | 7 seconds"),
    ] {
        assert_eq!(sample_in(Format::OpenMetrics, line), Err(message.to_owned()), "{line}");
    }
    for line in ["# HELP x ", "# HELP \"my.x\" Any \\ text.", "# UNIT x_seconds seconds", "# UNIT x "] {
        assert_eq!(parse(line, Format::OpenMetrics), Ok(Line::Nothing), "{line}");
    }
    let (family, kind) = (Text("my.x"), "gaugehistogram");
    assert_eq!(parse("# TYPE \"my.x\" gaugehistogram", Format::OpenMetrics), Ok(Line::Type { family, kind }));
    assert_eq!(parse("# EOF", Format::OpenMetrics), Ok(Line::End));
}
