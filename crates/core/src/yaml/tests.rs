use proptest::prelude::*;

use super::*;

fn errors(text: &str) -> String {
    let decode = |reader: &Reader<'_>| {
        let mut fields = reader.fields()?;
        let list = fields.required("list", "a list", |list| {
            list.list("a list", |item| item.text("a text").map(str::to_owned))
        });
        let flag = fields.or("flag", false, Reader::bool);
        Some((list?, flag?))
    };
    read("f.yaml", text, decode).into_result().err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn all_errors_of_a_file_are_told_in_order() {
    assert_eq!(
        errors("list: [a, 5, true, ~, [x]]\nflga: no\nlist: []\n---\nflag: no\nother: {}\n"),
        "f.yaml:1:11: list[1]: found the number `5`, expected a text, in quotes\n\
         f.yaml:1:14: list[2]: found `true`, expected a text, in quotes\n\
         f.yaml:1:20: list[3]: found nothing, expected a text\n\
         f.yaml:1:23: list[4]: found a list, expected a text\n\
         f.yaml:2:1: flga: found an unknown field; did you mean `flag`?\n\
         f.yaml:3:1: list: found a second time, expected once; the first is on line 1\n\
         f.yaml:5:1: found no field `list`, expected a list\n\
         f.yaml:5:7: flag: found `no`, expected `true` or `false`\n\
         f.yaml:6:1: other: found an unknown field, expected `list` or `flag`"
    );
}

#[test]
fn a_text_costs_no_more_than_its_size() {
    let bomb = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let below = level - 1;
        format!("{text}a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n")
    });
    for (text, expected) in [
        (bomb, "f.yaml:2:10: found a YAML alias (`*`), expected the value itself"),
        ("[".repeat(1 << 20), "f.yaml:1:256: not YAML: recursion limit exceeded"),
        ("- ".repeat(1 << 19), "f.yaml:1:65: found more than 32 levels, expected fewer"),
        ("a,".repeat(1 << 19) + "a", "f.yaml:1:1: found a file of 1024 KiB, expected at most 1024 KiB"),
        (
            format!("[{}]", "a,".repeat(500_000)),
            "f.yaml:1:100000: found more than 50000 values, expected fewer",
        ),
        ("\"".repeat(1 << 20), "f.yaml:1:3: "),
    ] {
        let found = errors(&text);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn only_so_many_errors_are_told() {
    let text = (0..1000).fold(String::new(), |text, field| format!("{text}x{field}: 1\n"));
    let found = errors(&text);
    assert_eq!(found.lines().count(), 101);
    assert_eq!(found.lines().last(), Some("f.yaml:99:1: and 901 more"));
}

#[test]
fn long_values_are_cut_in_messages() {
    let found = errors(&format!("list: []\nflag: {}\n", "x".repeat(1000)));
    assert_eq!(found, format!("f.yaml:2:7: flag: found `{}...`, expected `true` or `false`", "x".repeat(60)));
}

proptest! {
    #[test]
    fn a_written_text_is_read_back(text in any::<String>(), name in "\\PC{1,10}") {
        let mut writer = Writer::default();
        writer.section("map", |out| out.text(&name, &text));
        let written = writer.finish();
        let (documents, error) = tree::parse(&written);
        prop_assert!(error.is_none(), "{error:?}\n{written}");
        let found = documents[0].get("map").and_then(|map| map.get(&name)).map(|node| &node.value);
        prop_assert!(matches!(found, Some(tree::Value::Text(found)) if *found == text), "{found:?}\n{written}");
    }
}
