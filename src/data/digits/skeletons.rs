//! The skeletons of the ten digits: where the middle of the pen travels.
//!
//! A digit can be written in several [`Manner`]s, such as a seven with and
//! without a bar. A manner is a list of strokes, and a stroke a list of knots
//! through which a smooth curve is drawn; a knot that stands twice in a row is a
//! corner. Each knot has *two* positions, one in each of two plausible
//! writings of the same strokes (say, a plump zero and a slim one): every digit
//! is a blend of the two, so that a manner is a continuum and not a template.

/// A knot `[x, y, x', y']`: its place in the first writing and in the second,
/// in hundredths of the height of the digit, with y pointing down.
pub(super) type Knot = [i8; 4];

/// One way of writing a digit: strokes, each a list of knots.
pub(super) type Manner = &'static [&'static [Knot]];

/// The manners of each digit, indexed by the digit.
pub(super) const MANNERS: [&[Manner]; 10] = [
    &[ZERO_CLOSED, ZERO_HOOKED, ZERO_OVERLAPPING],
    &[ONE_BARE, ONE_FLAGGED, ONE_FOOTED],
    &[TWO_CORNERED, TWO_LOOPED, TWO_WAVY],
    &[THREE_ROUND, THREE_FLAT, THREE_LOOPED],
    &[FOUR_OPEN, FOUR_CLOSED, FOUR_CUPPED],
    &[FIVE_CORNERED, FIVE_HATTED, FIVE_FLOWING],
    &[SIX_CURVED, SIX_STRAIGHT, SIX_CURLED],
    &[SEVEN_BARE, SEVEN_BARRED, SEVEN_SERIFED],
    &[EIGHT_CROSSED, EIGHT_STACKED, EIGHT_OPEN],
    &[NINE_STRAIGHT, NINE_HOOKED, NINE_SLANTED],
];

/// An oval that begins and ends at the top.
#[rustfmt::skip]
const ZERO_CLOSED: Manner = &[&[
    [52, 1, 56, 2], [26, 13, 38, 14], [12, 50, 30, 50], [26, 88, 36, 86], [52, 99, 50, 98],
    [80, 86, 66, 84], [90, 48, 72, 48], [78, 12, 66, 14], [51, 1, 55, 2],
]];

/// Begins at the upper right and overshoots its beginning.
#[rustfmt::skip]
const ZERO_HOOKED: Manner = &[&[
    [70, 10, 66, 10], [48, 1, 52, 2], [20, 18, 34, 22], [12, 58, 26, 58], [32, 95, 40, 95],
    [64, 94, 60, 92], [86, 60, 72, 60], [82, 22, 70, 24], [58, 3, 58, 6], [40, 8, 46, 4],
]];

/// Begins at the upper left, inside the oval, and closes over its beginning.
#[rustfmt::skip]
const ZERO_OVERLAPPING: Manner = &[&[
    [36, 9, 44, 8], [18, 34, 30, 30], [16, 70, 28, 68], [40, 98, 42, 97], [72, 88, 62, 88],
    [87, 52, 72, 56], [76, 14, 68, 20], [52, 2, 54, 3], [30, 14, 40, 16],
]];

/// A single downstroke.
#[rustfmt::skip]
const ONE_BARE: Manner = &[&[
    [50, 0, 60, 0], [50, 34, 57, 34], [50, 68, 50, 68], [50, 100, 41, 100],
]];

/// A downstroke with an upstroke before it.
#[rustfmt::skip]
const ONE_FLAGGED: Manner = &[&[
    [43, 17, 37, 28], [50, 9, 48, 16], [56, 0, 58, 0], [56, 0, 58, 0],
    [55, 34, 57, 34], [54, 68, 55, 68], [54, 100, 52, 100],
]];

/// A flagged one that stands on a foot.
#[rustfmt::skip]
const ONE_FOOTED: Manner = &[
    &[
        [34, 20, 28, 28], [44, 13, 42, 16], [52, 0, 54, 0], [52, 0, 54, 0],
        [52, 34, 53, 34], [52, 68, 52, 68], [52, 99, 51, 98],
    ],
    &[[32, 100, 24, 98], [52, 99, 50, 99], [72, 99, 80, 98]],
];

/// A hook and a straight base, with a corner between them.
#[rustfmt::skip]
const TWO_CORNERED: Manner = &[&[
    [16, 24, 26, 14], [30, 6, 42, 2], [54, 0, 62, 5], [77, 14, 70, 24], [73, 38, 62, 48],
    [48, 66, 44, 72], [14, 97, 20, 98], [14, 97, 20, 98], [48, 96, 46, 99], [86, 96, 78, 95],
]];

/// The hook runs through a loop into the base.
#[rustfmt::skip]
const TWO_LOOPED: Manner = &[&[
    [18, 22, 24, 16], [36, 3, 42, 2], [64, 4, 64, 6], [76, 26, 70, 28], [64, 56, 58, 54],
    [42, 86, 40, 80], [22, 98, 22, 94], [10, 88, 14, 82], [22, 78, 28, 74], [44, 88, 46, 86],
    [64, 97, 62, 98], [88, 90, 82, 94],
]];

/// The base rises and falls like a wave.
#[rustfmt::skip]
const TWO_WAVY: Manner = &[&[
    [22, 32, 20, 20], [28, 8, 36, 4], [54, 0, 60, 3], [75, 18, 72, 24], [64, 48, 58, 52],
    [42, 74, 38, 78], [16, 97, 16, 96], [16, 97, 16, 96], [36, 86, 34, 90], [56, 92, 56, 96],
    [86, 98, 80, 92],
]];

/// Two bows that meet in a cusp.
#[rustfmt::skip]
const THREE_ROUND: Manner = &[&[
    [18, 14, 28, 10], [42, 0, 48, 0], [70, 10, 66, 12], [68, 32, 64, 34], [42, 46, 46, 44],
    [42, 46, 46, 44], [72, 55, 66, 56], [80, 78, 68, 78], [54, 100, 46, 99], [14, 88, 24, 92],
]];

/// A flat top and a diagonal above the lower bow.
#[rustfmt::skip]
const THREE_FLAT: Manner = &[&[
    [18, 4, 24, 2], [46, 3, 46, 3], [76, 2, 70, 2], [76, 2, 70, 2], [60, 20, 56, 22],
    [42, 38, 42, 42], [42, 38, 42, 42], [70, 48, 64, 52], [78, 74, 68, 76], [52, 99, 46, 99],
    [16, 90, 22, 94],
]];

/// A small loop between the bows.
#[rustfmt::skip]
const THREE_LOOPED: Manner = &[&[
    [18, 16, 24, 8], [44, 0, 48, 0], [70, 14, 66, 14], [64, 38, 60, 36], [44, 50, 44, 47],
    [36, 44, 38, 42], [48, 42, 48, 42], [74, 58, 68, 56], [76, 82, 68, 80], [48, 100, 44, 99],
    [14, 88, 22, 94],
]];

/// Straight strokes, open at the top.
#[rustfmt::skip]
const FOUR_OPEN: Manner = &[
    &[
        [28, 2, 30, 8], [22, 28, 24, 34], [14, 56, 16, 62], [14, 56, 16, 62],
        [48, 55, 50, 60], [86, 52, 84, 56],
    ],
    &[[70, 6, 64, 0], [67, 50, 63, 50], [63, 100, 61, 100]],
];

/// Closed at the top, as in print.
#[rustfmt::skip]
const FOUR_CLOSED: Manner = &[&[
    [64, 100, 64, 100], [65, 50, 64, 50], [66, 0, 62, 0], [66, 0, 62, 0], [38, 34, 36, 32],
    [8, 68, 14, 58], [8, 68, 14, 58], [48, 68, 50, 60], [92, 66, 86, 60],
]];

/// A cup with a stem on its right.
#[rustfmt::skip]
const FOUR_CUPPED: Manner = &[
    &[
        [22, 4, 28, 2], [16, 26, 22, 24], [18, 46, 20, 44], [40, 54, 38, 54], [60, 50, 56, 50],
        [74, 42, 70, 44],
    ],
    &[[78, 2, 70, 4], [72, 36, 68, 40], [66, 68, 66, 70], [60, 100, 64, 100]],
];

/// One stroke with two corners.
#[rustfmt::skip]
const FIVE_CORNERED: Manner = &[&[
    [78, 2, 72, 0], [52, 2, 52, 2], [30, 3, 34, 4], [30, 3, 34, 4], [27, 22, 31, 22],
    [22, 44, 28, 42], [22, 44, 28, 42], [48, 36, 48, 38], [76, 48, 68, 52], [78, 74, 68, 76],
    [52, 98, 46, 99], [14, 90, 22, 94],
]];

/// The hat is a stroke of its own, and may float.
#[rustfmt::skip]
const FIVE_HATTED: Manner = &[
    &[
        [32, 6, 34, 2], [28, 26, 30, 20], [26, 46, 28, 38], [26, 46, 28, 38], [52, 40, 50, 36],
        [78, 54, 70, 50], [74, 84, 68, 80], [46, 100, 44, 98], [16, 90, 22, 90],
    ],
    &[[34, 5, 36, 4], [58, 2, 56, 3], [86, 0, 78, 2]],
];

/// Curved throughout, like an S.
#[rustfmt::skip]
const FIVE_FLOWING: Manner = &[&[
    [80, 4, 74, 0], [54, 3, 54, 4], [34, 14, 38, 14], [28, 34, 32, 34], [48, 44, 46, 44],
    [72, 58, 66, 58], [72, 84, 66, 82], [44, 100, 42, 99], [16, 90, 22, 94],
]];

/// A sickle that closes into a bowl.
#[rustfmt::skip]
const SIX_CURVED: Manner = &[&[
    [68, 2, 60, 0], [42, 18, 42, 20], [24, 48, 28, 48], [20, 76, 26, 76], [42, 99, 44, 99],
    [72, 92, 66, 92], [80, 70, 72, 74], [58, 52, 54, 58], [34, 60, 36, 66], [22, 76, 26, 82],
]];

/// A straight stem and a small bowl.
#[rustfmt::skip]
const SIX_STRAIGHT: Manner = &[&[
    [58, 0, 42, 0], [42, 26, 34, 28], [28, 54, 28, 56], [24, 82, 28, 84], [44, 99, 46, 99],
    [68, 92, 66, 92], [72, 74, 66, 72], [54, 62, 50, 62], [34, 72, 34, 72], [25, 86, 28, 88],
]];

/// A hooked top and a bowl that curls up.
#[rustfmt::skip]
const SIX_CURLED: Manner = &[&[
    [80, 12, 72, 8], [60, 1, 56, 1], [34, 18, 36, 20], [20, 54, 24, 54], [28, 88, 32, 88],
    [54, 99, 52, 98], [78, 82, 70, 82], [72, 58, 64, 58], [48, 54, 46, 56], [34, 68, 36, 68],
]];

/// A top and a downstroke.
#[rustfmt::skip]
const SEVEN_BARE: Manner = &[&[
    [12, 6, 18, 3], [48, 4, 50, 7], [84, 4, 80, 2], [84, 4, 80, 2], [62, 46, 62, 40],
    [40, 100, 50, 100],
]];

/// With a bar across the stem.
#[rustfmt::skip]
const SEVEN_BARRED: Manner = &[
    &[
        [16, 4, 20, 6], [48, 4, 50, 4], [82, 3, 78, 2], [82, 3, 78, 2], [62, 44, 64, 40],
        [42, 100, 52, 100],
    ],
    &[[34, 52, 44, 48], [58, 51, 62, 47], [82, 49, 80, 46]],
];

/// With a short stroke down from the left end of the top.
#[rustfmt::skip]
const SEVEN_SERIFED: Manner = &[&[
    [14, 22, 20, 16], [16, 13, 21, 10], [18, 4, 22, 4], [18, 4, 22, 4], [48, 6, 50, 4],
    [82, 3, 78, 2], [82, 3, 78, 2], [64, 38, 60, 44], [50, 68, 50, 72], [44, 100, 46, 100],
]];

/// An S that returns across itself.
#[rustfmt::skip]
const EIGHT_CROSSED: Manner = &[&[
    [72, 14, 66, 14], [48, 0, 50, 0], [24, 16, 32, 18], [34, 40, 40, 40], [66, 58, 60, 56],
    [78, 80, 68, 78], [50, 100, 50, 100], [22, 82, 32, 80], [36, 58, 40, 58], [66, 38, 60, 38],
    [73, 15, 67, 15],
]];

/// Two rings, one upon the other.
#[rustfmt::skip]
const EIGHT_STACKED: Manner = &[
    &[
        [50, 46, 50, 50], [28, 36, 34, 40], [28, 12, 34, 12], [50, 1, 50, 1], [72, 12, 66, 12],
        [72, 36, 66, 38], [49, 46, 49, 50],
    ],
    &[
        [50, 46, 50, 50], [23, 58, 34, 60], [21, 86, 34, 90], [50, 99, 50, 99], [79, 86, 66, 90],
        [77, 58, 66, 60], [49, 46, 49, 50],
    ],
];

/// Begins and ends at the upper right without closing.
#[rustfmt::skip]
const EIGHT_OPEN: Manner = &[&[
    [76, 8, 68, 6], [52, 1, 52, 0], [28, 16, 34, 14], [40, 40, 42, 38], [68, 62, 60, 60],
    [70, 88, 62, 88], [44, 100, 46, 100], [22, 84, 34, 84], [34, 62, 42, 60], [62, 40, 58, 38],
    [82, 14, 70, 16],
]];

/// A ring and a straight stem.
#[rustfmt::skip]
const NINE_STRAIGHT: Manner = &[&[
    [72, 14, 68, 12], [48, 1, 48, 2], [23, 16, 29, 16], [24, 42, 29, 38], [46, 52, 48, 47],
    [66, 38, 64, 34], [74, 10, 70, 8], [74, 10, 70, 8], [73, 50, 69, 50], [70, 100, 68, 100],
]];

/// A ring and a tail that curls to the left.
#[rustfmt::skip]
const NINE_HOOKED: Manner = &[&[
    [74, 14, 68, 14], [50, 1, 52, 1], [24, 14, 32, 14], [24, 42, 32, 38], [50, 52, 52, 46],
    [72, 36, 66, 32], [76, 14, 70, 16], [78, 52, 70, 50], [68, 86, 62, 82], [44, 100, 46, 98],
    [20, 90, 30, 94],
]];

/// A small ring from which the tail falls away aslant.
#[rustfmt::skip]
const NINE_SLANTED: Manner = &[&[
    [76, 10, 68, 8], [54, 0, 52, 0], [28, 14, 32, 14], [26, 38, 32, 34], [48, 46, 48, 44],
    [68, 32, 64, 28], [76, 10, 68, 10], [72, 38, 66, 40], [62, 70, 60, 70], [46, 100, 52, 100],
]];
