//! Which format a page is in, by what was asked for and what the answer says.

use super::{Problem, excerpt};

/// The value of the request header `Accept`: OpenMetrics 1.0 first, then text; names of any characters as they are.
/// `*/*` is for servers that know one format and take none of these for it.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8,\
    application/openmetrics-text;version=1.0.0;q=0.7,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    text/plain;version=0.0.4;q=0.5,\
    */*;q=0.1";

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format 0.0.4, and 1.0.0 with its quoted names.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// By the answer's `Content-Type`. An answer without one, or with `text/plain` of any version, is text; what
    /// isn't text is refused by its first line then.
    pub fn of(content_type: Option<&str>) -> Result<Self, Problem> {
        let Some(content_type) = content_type else { return Ok(Self::Text) };
        let mut parts = content_type.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let version = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("version").then(|| value.trim_matches('"'))
        });
        match (media.as_str(), version) {
            ("text/plain", _) => Ok(Self::Text),
            ("application/openmetrics-text", None | Some("0.0.1")) => Ok(Self::OpenMetrics),
            ("application/openmetrics-text", Some(version)) if version.starts_with("1.") => {
                Ok(Self::OpenMetrics)
            }
            ("application/vnd.google.protobuf", _) => Err(Problem::Protobuf),
            _ => Err(Problem::UnknownFormat { content_type: excerpt(content_type) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_which_format_a_page_is_in() {
        for (content_type, format) in [
            (None, Format::Text),
            (Some("text/plain"), Format::Text),
            (Some("text/plain; version=0.0.4; charset=utf-8"), Format::Text),
            (Some("Text/Plain;version=1.0.0;escaping=allow-utf-8"), Format::Text),
            (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Format::OpenMetrics),
            (Some("application/openmetrics-text;charset=utf-8; Version=\"1.1.0\""), Format::OpenMetrics),
            (Some("application/openmetrics-text; version=0.0.1"), Format::OpenMetrics),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
        ] {
            assert_eq!(Format::of(content_type), Ok(format), "{content_type:?}");
        }
    }

    #[test]
    fn other_formats_are_refused_by_their_name() {
        for (content_type, message) in [
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                "the metrics page is protobuf, although OpenMetrics or Prometheus text was asked for",
            ),
            (
                "application/openmetrics-text; version=2.0.0",
                "the metrics page says that it is `application/openmetrics-text; version=2.0.0`; OpenMetrics 1 \
                 (application/openmetrics-text) or Prometheus text (text/plain) is needed",
            ),
            (
                "text/html",
                "the metrics page says that it is `text/html`; OpenMetrics 1 (application/openmetrics-text) or \
                 Prometheus text (text/plain) is needed",
            ),
        ] {
            assert_eq!(Format::of(Some(content_type)).unwrap_err().to_string(), message);
        }
    }
}
