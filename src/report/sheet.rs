//! The page's style sheet: a fixed part, and a rule for every element with an
//! individual size. Elements have no `style` attribute, so that the page's
//! policy can allow only this sheet, by its hash.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::treemap::Rect;
use crate::set::format::manifest::to_base64;

/// Builds the style sheet.
pub(super) struct Sheet {
    css: String,
    rules: usize,
}

impl Sheet {
    pub(super) fn new() -> Self {
        // Parsing makes all line ends LF, and the hash is over these.
        Self { css: include_str!("page.css").replace('\r', ""), rules: 0 }
    }

    /// Adds rules.
    pub(super) fn add(&mut self, css: &str) {
        self.css.push_str(css);
    }

    /// The class of an element at `rect` in an area of `width` by `height`, in
    /// percent.
    pub(super) fn place(&mut self, rect: Rect, width: f64, height: f64) -> String {
        let percent = |part: f64, whole: f64| (part / whole * 100.0).clamp(0.0, 100.0);
        self.rule(&format!(
            "left:{:.3}%;top:{:.3}%;width:{:.3}%;height:{:.3}%",
            percent(rect.left, width),
            percent(rect.top, height),
            percent(rect.width, width),
            percent(rect.height, height)
        ))
    }

    /// The class of an element of a width in percent.
    pub(super) fn width(&mut self, percent: f64) -> String {
        self.rule(&format!("width:{:.3}%", percent.clamp(0.0, 100.0)))
    }

    fn rule(&mut self, declarations: &str) -> String {
        let class = format!("r{}", self.rules);
        self.rules += 1;
        let _ = writeln!(self.css, ".{class}{{{declarations}}}");
        class
    }

    /// The sheet, and the source expression that allows it (CSP Level 3,
    /// 2.3.1).
    pub(super) fn finish(self) -> (String, String) {
        let hash = hash_of(&self.css);
        (self.css, hash)
    }
}

/// The source expression that allows an element with this text.
pub(super) fn hash_of(text: &str) -> String {
    format!("'sha256-{}'", to_base64(&Sha256::digest(text.as_bytes())))
}
