//! Standard output.

use std::{
    fmt::Display,
    io::{ErrorKind, Write, stdout},
};

/// Writes a text as it is. A reader that has had enough, as in `siskin status db | head -1`, is no mistake and stops no
/// command: the rest is dropped.
pub fn text(text: impl Display) {
    write(&mut stdout().lock(), &text);
}

/// Writes a text and ends the line.
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

fn write(to: &mut impl Write, text: &dyn Display) {
    match write!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("siskin: what is to be said can't be written: {error}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;

    use super::*;

    #[test]
    fn a_reader_that_is_gone_stops_nothing() {
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        write(&mut writer, &"x".repeat(1 << 20));
    }
}
