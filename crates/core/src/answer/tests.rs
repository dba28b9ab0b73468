use serde_json::{Value as Json, json};

use super::*;
use crate::policy::QueryTemplate;

fn prometheus(status: u16, body: &str) -> Reading {
    let query = QueryTemplate::try_from("up".to_owned()).unwrap();
    read(&Question::Prometheus { query, accept_warnings: false }, status, body.as_bytes())
}

fn success(data: &Json) -> Reading {
    prometheus(200, &json!({ "status": "success", "data": data }).to_string())
}

fn vector(result: &Json) -> Reading {
    success(&json!({ "resultType": "vector", "result": result }))
}

fn values(reading: Reading) -> Vec<(String, f64)> {
    let Reading::Values(values) = reading else { panic!("{reading:?} is no answer with values") };
    values.into_iter().map(|value| (value.of, value.value)).collect()
}

#[track_caller]
fn passing(reading: &Reading, reason: &str) {
    assert_eq!(*reading, Reading::Unusable(reason.to_owned()));
}

#[track_caller]
fn lasting(reading: &Reading, reason: &str) {
    assert_eq!(*reading, Reading::Refused(reason.to_owned()));
}

#[test]
fn a_vector_has_a_value_per_series_named_by_its_labels() {
    let reading = vector(&json!([
        { "metric": { "__name__": "lag", "pod": "db-4", "ns": "a" }, "value": [1_700_000_000.123, "3.5"] },
        { "metric": {}, "value": [1_700_000_000, "-1e3"] },
    ]));
    assert_eq!(values(reading), [(r#"lag{ns="a",pod="db-4"}"#.to_owned(), 3.5), (String::new(), -1000.0)]);
}

#[test]
fn a_scalar_is_one_value() {
    let reading = success(&json!({ "resultType": "scalar", "result": [1_700_000_000, "0.25"] }));
    assert_eq!(values(reading), [(String::new(), 0.25)]);
}

#[test]
fn an_empty_vector_is_an_answer_without_values() {
    assert_eq!(values(vector(&json!([]))), []);
}

#[test]
fn nan_and_infinities_come_as_they_are() {
    let series = |text: &str| json!({ "metric": {}, "value": [1, text] });
    let found = values(vector(&json!([series("NaN"), series("+Inf"), series("-Inf")])));
    assert!(found[0].1.is_nan());
    assert_eq!((found[1].1, found[2].1), (f64::INFINITY, f64::NEG_INFINITY));
}

#[test]
fn a_matrix_a_text_and_a_native_histogram_are_refused_with_what_to_do() {
    lasting(
        &success(&json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": [[1, "1"]] }] })),
        "the query gives a range of values (a matrix), expected one per series: wrap it in a function such as `rate()` \
         or `avg_over_time()`",
    );
    lasting(
        &success(&json!({ "resultType": "string", "result": [1, "x"] })),
        "the query gives a string, expected a vector or a scalar of numbers",
    );
    lasting(
        &vector(&json!([{ "metric": { "__name__": "h" }, "histogram": [1, { "count": "3" }] }])),
        "the query gives no number for h, as with a native histogram: use `histogram_quantile()` or the like",
    );
}

#[test]
fn more_values_than_anybody_reads_are_refused() {
    let many = |count: usize| vector(&Json::Array(vec![json!({ "metric": {}, "value": [1, "1"] }); count]));
    assert_eq!(values(many(1000)).len(), 1000);
    lasting(
        &many(1001),
        "the answer has 1001 values, at most 1000 are judged: aggregate them, as `max by (pod) (...)` does",
    );
}

#[test]
fn an_answer_with_warnings_counts_only_where_they_are_accepted() {
    let data = json!({ "resultType": "scalar", "result": [1, "1"] });
    let warned = json!({ "status": "success", "data": data, "warnings": ["store a is\ndown"] }).to_string();
    passing(
        &prometheus(200, &warned),
        "the answer has a warning, so it may be incomplete (`acceptWarnings: true` takes it): store a is down",
    );
    let query = QueryTemplate::try_from("up".to_owned()).unwrap();
    let accepting = Question::Prometheus { query, accept_warnings: true };
    assert_eq!(values(read(&accepting, 200, warned.as_bytes())).len(), 1);
    let informed = json!({ "status": "success", "data": data, "infos": ["might be no counter"] }).to_string();
    assert_eq!(values(prometheus(200, &informed)).len(), 1, "infos are about style");
}

#[test]
fn a_partial_answer_says_nothing_also_where_warnings_are_accepted() {
    let data = json!({ "resultType": "scalar", "result": [1, "1"] });
    let partial = json!({ "status": "success", "isPartial": true, "data": data }).to_string();
    passing(&prometheus(200, &partial), "the answer is partial: not all of its stores took part");
}

#[test]
fn a_wrong_query_is_refused_in_the_source_s_own_words() {
    let body = json!({ "status": "error", "errorType": "bad_data", "error": "parse error: unexpected end" });
    lasting(
        &prometheus(400, &body.to_string()),
        "refuses the query (status 400): bad_data: parse error: unexpected end",
    );
    let body = json!({ "status": "error", "errorType": "execution", "error": "many-to-many matching" });
    lasting(
        &prometheus(422, &body.to_string()),
        "refuses the query (status 422): execution: many-to-many matching",
    );
}

#[test]
fn other_statuses_say_what_to_mend_or_may_pass() {
    lasting(&prometheus(401, "no"), "refuses our credentials (status 401)");
    lasting(&prometheus(403, ""), "refuses our credentials (status 403)");
    lasting(&prometheus(404, "<html>"), "has nothing at this address (status 404)");
    lasting(
        &prometheus(302, ""),
        "answered with a redirect (status 302), which is not followed: its `url` must be the final one",
    );
    passing(&prometheus(429, ""), "has no time for us (status 429)");
    passing(&prometheus(500, "boom"), "answered with status 500");
    let body = json!({ "status": "error", "errorType": "timeout", "error": "query timed out" });
    passing(&prometheus(503, &body.to_string()), "answered with status 503: timeout: query timed out");
    passing(&prometheus(204, ""), "answered with status 204");
}

#[test]
fn garbage_with_status_200_says_nothing() {
    for body in ["", "<html>", "{}", r#"{"status":"success"}"#, r#"{"status":"error","error":"x"}"#] {
        assert!(matches!(prometheus(200, body), Reading::Unusable(_)), "{body}");
    }
    for result in [json!("x"), json!([1]), json!([{ "metric": {}, "value": [1, "many"] }])] {
        assert!(matches!(vector(&result), Reading::Unusable(_)), "{result}");
    }
}

fn document(pointer: &str, status: u16, body: &str) -> Reading {
    let path = QueryTemplate::try_from("/".to_owned()).unwrap();
    read(&Question::Json { path, pointer: pointer.to_owned() }, status, body.as_bytes())
}

#[test]
fn a_pointer_leads_to_a_number() {
    let body = r#"{ "a/b": [{ "m~n": 7 }, -0.5], "n": 3 }"#;
    assert_eq!(values(document("/a~1b/0/m~0n", 200, body)), [(String::new(), 7.0)]);
    assert_eq!(values(document("/a~1b/1", 201, body)), [(String::new(), -0.5)]);
    assert_eq!(values(document("", 200, "42")), [(String::new(), 42.0)]);
}

#[test]
fn anything_else_than_a_number_says_nothing_and_what_it_is() {
    let body = r#"{ "text": "5", "null": null, "yes": true, "list": [], "map": {} }"#;
    for (pointer, what) in [
        ("/absent", "nothing"),
        ("/list/0", "nothing"),
        ("/null", "null"),
        ("/text", "a text"),
        ("/yes", "a boolean"),
        ("/list", "a list"),
        ("/map", "an object"),
    ] {
        passing(
            &document(pointer, 200, body),
            &format!("the answer has {what} at `{pointer}`, expected a number"),
        );
    }
    assert!(matches!(document("/a", 200, r#"{ "a": 1"#), Reading::Unusable(_)));
    assert!(matches!(document("/a", 200, r#"{ "a": NaN }"#), Reading::Unusable(_)));
    assert!(matches!(document("/a", 200, r#"{ "a": 1e999 }"#), Reading::Unusable(_)));
    lasting(&document("/a", 404, r#"{ "a": 1 }"#), "has nothing at this address (status 404)");
    passing(&document("/a", 502, ""), "answered with status 502");
}

mod generated {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(status in 100_u16..600, body in "\\PC*|[{}\\[\\],:\"a-z0-9. ]*") {
            prometheus(status, &body);
            document("/a/0", status, &body);
        }

        #[test]
        fn a_number_comes_back_as_it_was_sent(number: f64) {
            prop_assume!(number.is_finite());
            let found = values(vector(&json!([{ "metric": {}, "value": [1, number.to_string()] }])));
            prop_assert_eq!(found, vec![(String::new(), number)]);
            prop_assert_eq!(values(document("", 200, &json!(number).to_string())), vec![(String::new(), number)]);
        }
    }
}
