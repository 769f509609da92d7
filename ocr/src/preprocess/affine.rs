//! Ways from one picture's places to another's.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

/// `(x, y)` of one picture to `(x, y)` of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    x: [f32; 3],
    y: [f32; 3],
}

impl Affine {
    pub fn apply(self, x: f32, y: f32) -> (f32, f32) {
        (
            self.x[0] * x + self.x[1] * y + self.x[2],
            self.y[0] * x + self.y[1] * y + self.y[2],
        )
    }

    /// First `inner`, then this.
    pub fn after(self, inner: Self) -> Self {
        let compose = |row: [f32; 3]| {
            [
                row[0] * inner.x[0] + row[1] * inner.y[0],
                row[0] * inner.x[1] + row[1] * inner.y[1],
                row[0] * inner.x[2] + row[1] * inner.y[2] + row[2],
            ]
        };
        Self {
            x: compose(self.x),
            y: compose(self.y),
        }
    }

    pub const fn scaling(x: f32, y: f32) -> Self {
        Self {
            x: [x, 0.0, 0.0],
            y: [0.0, y, 0.0],
        }
    }

    pub const fn shift(x: f32, y: f32) -> Self {
        Self {
            x: [1.0, 0.0, x],
            y: [0.0, 1.0, y],
        }
    }

    /// From a picture after quarter turns clockwise back to the picture of this size.
    pub fn quarter_turns(turns: u8, (width, height): (u32, u32)) -> Self {
        let (width, height) = (width as f32, height as f32);
        match turns % 4 {
            1 => Self {
                x: [0.0, 1.0, 0.0],
                y: [-1.0, 0.0, height],
            },
            2 => Self {
                x: [-1.0, 0.0, width],
                y: [0.0, -1.0, height],
            },
            3 => Self {
                x: [0.0, -1.0, width],
                y: [1.0, 0.0, 0.0],
            },
            _ => Self::scaling(1.0, 1.0),
        }
    }

    /// From a picture turned clockwise about its centre back to the picture before.
    pub fn turned_back(radians: f32, before: (u32, u32), after: (u32, u32)) -> Self {
        let (sin, cos) = radians.sin_cos();
        let (cx, cy) = (before.0 as f32 / 2.0, before.1 as f32 / 2.0);
        let (ox, oy) = (after.0 as f32 / 2.0, after.1 as f32 / 2.0);
        Self {
            x: [cos, sin, cx - cos * ox - sin * oy],
            y: [-sin, cos, cy + sin * ox - cos * oy],
        }
    }
}
