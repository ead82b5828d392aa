//! Squarified treemaps (Bruls, Huizing, van Wijk: "Squarified treemaps", 2000):
//! an area is divided into rectangles in proportion to weights, as square as
//! possible.

/// A rectangle; the unit is the caller's.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    /// The rest below a strip of this height.
    pub(super) fn below(self, height: f64) -> Self {
        let height = height.min(self.height);
        Self { top: self.top + height, height: self.height - height, ..self }
    }

    fn short_side(self) -> f64 {
        self.width.min(self.height)
    }
}

/// A rectangle for each weight, in the order of the weights, which must be
/// largest first. The rectangles fill the area; a weight of 0 gets an empty
/// rectangle.
pub(super) fn squarify(weights: &[u64], area: Rect) -> Vec<Rect> {
    let sum: f64 = weights.iter().map(|&weight| float(weight)).sum();
    if sum <= 0.0 || area.short_side() <= 0.0 {
        return vec![Rect { width: 0.0, height: 0.0, ..area }; weights.len()];
    }
    let scale = area.width * area.height / sum;
    let areas: Vec<f64> = weights.iter().map(|&weight| float(weight) * scale).collect();
    let mut placed = Vec::with_capacity(areas.len());
    let mut free = area;
    let mut rest = &areas[..];
    while !rest.is_empty() {
        let side = free.short_side();
        let mut taken = 1;
        while taken < rest.len() && worst(&rest[..=taken], side) <= worst(&rest[..taken], side) {
            taken += 1;
        }
        let (row, later) = rest.split_at(taken);
        free = lay(row, free, &mut placed);
        rest = later;
    }
    placed
}

/// The worst aspect ratio in a row; 1 is a square.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let (first, last) = (row.first().copied().unwrap_or(0.0), row.last().copied().unwrap_or(0.0));
    if side <= 0.0 || sum <= 0.0 || last <= 0.0 {
        return f64::INFINITY;
    }
    let square = sum * sum;
    (side * side * first / square).max(square / (side * side * last))
}

/// Places a row along the short side of the free area; returns the rest.
fn lay(row: &[f64], free: Rect, placed: &mut Vec<Rect>) -> Rect {
    let sum: f64 = row.iter().sum();
    let upright = free.width >= free.height; // the row is at the left side
    let side = free.short_side();
    let long = free.width.max(free.height);
    let thick = if side > 0.0 { (sum / side).min(long) } else { 0.0 };
    let mut at = 0.0;
    for area in row {
        let length = if sum > 0.0 { area / sum * side } else { 0.0 };
        placed.push(if upright {
            Rect { left: free.left, top: free.top + at, width: thick, height: length }
        } else {
            Rect { left: free.left + at, top: free.top, width: length, height: thick }
        });
        at += length;
    }
    if upright {
        Rect { left: free.left + thick, width: free.width - thick, ..free }
    } else {
        free.below(thick)
    }
}

#[allow(clippy::cast_precision_loss)] // a drawing has a thousand pixels
pub(super) fn float(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { left: 10.0, top: 20.0, width: 600.0, height: 400.0 };

    fn check(weights: &[u64]) -> Vec<Rect> {
        let rects = squarify(weights, AREA);
        assert_eq!(rects.len(), weights.len());
        let sum: f64 = weights.iter().map(|&w| float(w)).sum();
        for (rect, &weight) in rects.iter().zip(weights) {
            let wanted = float(weight) / sum * AREA.width * AREA.height;
            assert!((rect.width * rect.height - wanted).abs() < 0.01, "{rect:?} for {weight}");
            let (right, bottom) = (AREA.left + AREA.width, AREA.top + AREA.height);
            let inside = rect.left >= AREA.left - 1e-6
                && rect.top >= AREA.top - 1e-6
                && rect.left + rect.width <= right + 1e-6
                && rect.top + rect.height <= bottom + 1e-6;
            assert!(inside, "{rect:?}");
        }
        for (i, a) in rects.iter().enumerate() {
            for b in &rects[i + 1..] {
                let wide = (a.left + a.width).min(b.left + b.width) - a.left.max(b.left);
                let high = (a.top + a.height).min(b.top + b.height) - a.top.max(b.top);
                assert!(wide < 1e-6 || high < 1e-6, "{a:?} and {b:?} overlap");
            }
        }
        rects
    }

    /// The example of the paper: 6, 6, 4, 3, 2, 2, 1 on 6 by 4.
    #[test]
    fn the_example_of_the_paper_comes_out_as_there() {
        let area = Rect { left: 0.0, top: 0.0, width: 6.0, height: 4.0 };
        let rects = squarify(&[6, 6, 4, 3, 2, 2, 1], area);
        let near = |rect: Rect, wanted: [f64; 4]| {
            let is = [rect.left, rect.top, rect.width, rect.height];
            let same = is.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(same, "{rect:?} is not {wanted:?}");
        };
        near(rects[0], [0.0, 0.0, 3.0, 2.0]);
        near(rects[1], [0.0, 2.0, 3.0, 2.0]);
        near(rects[2], [3.0, 0.0, 1.714, 2.333]);
        near(rects[3], [4.714, 0.0, 1.286, 2.333]);
    }

    #[test]
    fn areas_are_as_large_as_the_weights_inside_and_apart() {
        check(&[1]);
        check(&[5, 5, 5, 5, 5]);
        check(&[1_000_000, 10, 9, 8, 1, 1, 1]);
        check(&(1..=60).rev().collect::<Vec<_>>());
        check(&[u64::MAX, u64::MAX, 1 << 60, 3]);
    }

    #[test]
    fn equal_weights_give_no_slivers() {
        for rect in check(&[7; 24]) {
            let aspect = (rect.width / rect.height).max(rect.height / rect.width);
            assert!(aspect < 2.0, "{rect:?}");
        }
    }

    #[test]
    fn nothing_has_no_area_and_does_no_harm() {
        assert_eq!(squarify(&[], AREA), []);
        assert!(squarify(&[0, 0], AREA).iter().all(|r| r.width * r.height == 0.0));
        let rects = squarify(&[4, 0, 0], AREA);
        assert!(rects.iter().all(|r| r.width.is_finite() && r.height.is_finite()), "{rects:?}");
        assert!((rects[0].width * rects[0].height - 240_000.0).abs() < 0.01);
        assert!(squarify(&[3], Rect { width: 0.0, ..AREA })[0].width == 0.0);
    }
}
