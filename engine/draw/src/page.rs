//! The HTML around drawings and tables.

use std::fmt::Write;

use crate::theme::{Ink, STYLE};

/// A page that is being written, from top to bottom.
#[derive(Debug)]
pub struct Page {
    title: String,
    body: String,
}

/// `text` as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// What the colours mean.
pub fn legend<'a>(entries: impl IntoIterator<Item = (Ink, &'a str)>) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for (ink, name) in entries {
        let _ = write!(
            out,
            "<li><i style=\"background:{}\"></i>{}</li>",
            ink.css(),
            escape(name)
        );
    }
    out + "</ul>\n"
}

impl Page {
    /// A page headed `title`.
    pub fn new(title: &str) -> Page {
        Page {
            title: escape(title),
            body: String::new(),
        }
    }

    /// A section's heading; plain text.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escape(text));
    }

    /// A paragraph; plain text.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escape(text));
    }

    /// Finished HTML: a drawing, a table, a legend.
    pub fn html(&mut self, html: &str) {
        self.body += html;
        self.body.push('\n');
    }

    /// Drawings side by side where there is room: title, HTML, what is to be seen.
    pub fn figures(&mut self, figures: &[(String, String, String)]) {
        self.html("<div class=\"grid\">");
        for (title, html, caption) in figures {
            self.figure(title, html, caption, false);
        }
        self.html("</div>");
    }

    /// One drawing over the whole width.
    pub fn wide(&mut self, title: &str, html: &str, caption: &str) {
        self.figure(title, html, caption, true);
    }

    fn figure(&mut self, title: &str, html: &str, caption: &str, wide: bool) {
        let class = if wide { " class=\"wide\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<figure{class}><h3>{}</h3>\n{html}\n<figcaption>{}</figcaption></figure>",
            escape(title),
            escape(caption)
        );
    }

    /// Something that opens when it is asked for.
    pub fn details(&mut self, summary: &str, html: &str) {
        let _ = writeln!(
            self.body,
            "<details><summary>{}</summary>\n{html}\n</details>",
            escape(summary)
        );
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Page { title, body } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let mut page = Page::new("<script>");
        page.heading("a < b");
        page.paragraph("\"&\"");
        page.html(&legend([(Ink::Series(0), "<b>")]));
        let html = page.finish();
        assert!(
            !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
        assert!(html.contains("<h1>&lt;script&gt;</h1>"));
    }

    #[test]
    fn nothing_is_fetched() {
        let html = Page::new("x").finish();
        for word in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!html.contains(word), "{word}");
        }
    }
}
