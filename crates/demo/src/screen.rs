//! Where the story is shown: lines that stay, and on a terminal below them a page that is drawn again and again.
//!
//! Nothing is ever cut off: a line that is too long for the terminal goes on in the next row, and where the page is
//! higher than the terminal, the lines tell what it would have shown.

use std::io::{self, Write};

use crate::text::{Line, Tone};

/// Columns and rows of a terminal.
pub type Size = (usize, usize);

/// A terminal, or whatever takes text instead.
pub struct Screen<W: Write> {
    out: W,
    /// It can be drawn on.
    live: bool,
    colours: bool,
    /// The widths of the rows of the page that is shown.
    page: Vec<usize>,
}

impl<W: Write> Screen<W> {
    /// Lines alone, without colours.
    pub fn plain(out: W) -> Self {
        Self { out, live: false, colours: false, page: Vec::new() }
    }

    /// A terminal.
    pub fn terminal(out: W, colours: bool) -> Self {
        Self { out, live: true, colours, page: Vec::new() }
    }

    /// Shows `lines` for good, and below them a page that there is [room for](is_room_for).
    ///
    /// # Errors
    /// Nobody reads any more.
    pub fn show(&mut self, lines: &[Line], page: &[Line], size: Size) -> io::Result<()> {
        let (columns, _) = size;
        let mut frame = String::new();
        if self.live {
            frame.push_str(&self.cleared(columns));
        }
        // A terminal may go to the next row when its last column is written.
        let width = if self.live { columns.saturating_sub(1) } else { usize::MAX };
        for line in lines {
            frame.push_str(&self.drawn(line, width).0);
        }
        self.page.clear();
        for line in page {
            let (text, widths) = self.drawn(line, width);
            frame.push_str(&text);
            self.page.extend(widths);
        }
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// What takes the page away and leaves the cursor where it began. A terminal that became narrower meanwhile has
    /// broken its rows.
    fn cleared(&self, columns: usize) -> String {
        let height: usize = self.page.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        if height == 0 { String::new() } else { format!("\x1b[{height}A\r\x1b[J") }
    }

    /// A line as it is written, and the widths of its rows.
    fn drawn(&self, line: &Line, width: usize) -> (String, Vec<usize>) {
        let colour = match line.tone {
            _ if !self.colours => "",
            Tone::Plain => "",
            Tone::Good => "\x1b[32m",
            Tone::Open => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
            Tone::Strong => "\x1b[1m",
        };
        let end = if colour.is_empty() { "\n" } else { "\x1b[0m\n" };
        let rows = line.rows(width);
        let text = rows.iter().flat_map(|row| [colour, row, end]).collect();
        (text, rows.iter().map(|row| row.chars().count()).collect())
    }
}

/// Whether a page can be shown, and drawn anew: what has scrolled away can't.
pub fn is_room_for(page: &[Line], (columns, rows): Size) -> bool {
    let width = columns.saturating_sub(1);
    page.iter().map(|line| line.rows(width).len()).sum::<usize>() < rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::new(Tone::Good, *text)).collect()
    }

    /// What a terminal shows that was sent this, row by row.
    fn shown(sent: &str) -> Vec<String> {
        let (mut rows, mut row, mut rest) = (vec![String::new()], 0, sent);
        while let Some(next) = rest.chars().next() {
            rest = &rest[next.len_utf8()..];
            match next {
                '\n' => {
                    row += 1;
                    rows.resize(rows.len().max(row + 1), String::new());
                }
                '\r' => {}
                '\u{1b}' => {
                    let end = rest.find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
                    let number = rest[1..end].parse().unwrap_or(0);
                    match &rest[end..=end] {
                        "A" => row -= number,
                        "J" => rows[row..].iter_mut().for_each(String::clear),
                        "m" => {}
                        other => panic!("{other}"),
                    }
                    rest = &rest[end + 1..];
                }
                letter => rows[row].push(letter),
            }
        }
        rows.truncate(rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1));
        rows
    }

    #[test]
    fn lines_stay_and_the_page_below_them_is_drawn_anew() {
        let (mut sent, size) = (Vec::new(), (20, 10));
        let mut screen = Screen::terminal(&mut sent, true);
        screen.show(&lines(&["one"]), &lines(&["a page that is wider", "b"]), size).unwrap();
        screen.show(&lines(&["two"]), &lines(&["c"]), size).unwrap();
        screen.show(&lines(&["three"]), &[], size).unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert_eq!(shown(&sent), ["one", "two", "three"]);
        assert!(sent.contains("\u{1b}[32mone\u{1b}[0m\n"), "{sent:?}");
        let until_second = sent.split("two").next().unwrap();
        assert_eq!(
            shown(until_second.split("\u{1b}[3A").next().unwrap()),
            ["one", "a page that is", "wider", "b"]
        );
    }

    #[test]
    fn a_terminal_that_became_narrower_has_broken_the_rows() {
        let mut sent = Vec::new();
        let mut screen = Screen::terminal(&mut sent, false);
        screen.show(&[], &lines(&["0123456789012345678"]), (20, 10)).unwrap();
        screen.show(&[], &[], (8, 10)).unwrap();
        assert!(String::from_utf8(sent).unwrap().ends_with("\u{1b}[3A\r\u{1b}[J"));
    }

    #[test]
    fn without_a_terminal_there_are_lines_alone() {
        let mut sent = Vec::new();
        let long = "a line that is far longer than any terminal is wide";
        Screen::plain(&mut sent).show(&lines(&[long]), &[], (10, 2)).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), format!("{long}\n"));
    }

    #[test]
    fn a_page_needs_a_row_of_its_own_for_each_of_its_rows_and_one_for_the_cursor() {
        let page = lines(&["a page", "b"]);
        assert!(is_room_for(&page, (20, 3)) && !is_room_for(&page, (20, 2)) && !is_room_for(&page, (6, 3)));
    }
}
