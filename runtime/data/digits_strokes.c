/* Skeletons of handwritten digits. A stroke is a smooth curve through its points; a corner is a pen-up followed by
   the same point again. */
#include "data/digits.h"

#define UP PL_PEN_UP
#define GLYPH(weight, points) { weight, points, sizeof points / sizeof points[0] }

static const pl_point zero_oval[] = { {52, 2}, {22, 15}, {10, 50}, {22, 86}, {50, 98}, {80, 84}, {90, 48}, {76, 12},
                                      {48, 2} };
static const pl_point zero_overlapping[] = { {64, 8}, {34, 6}, {12, 36}, {16, 76}, {46, 98}, {80, 80}, {88, 42},
                                             {68, 10}, {44, 12} };
static const pl_point zero_open[] = { {46, 4}, {18, 28}, {14, 70}, {42, 97}, {76, 82}, {86, 44}, {72, 14}, {58, 8} };
static const pl_point zero_slashed[] = { {52, 2}, {22, 15}, {10, 50}, {22, 86}, {50, 98}, {80, 84}, {90, 48}, {76, 12},
                                         {48, 2}, UP, {78, 14}, {22, 88} };

static const pl_point one_stroke[] = { {50, 1}, {50, 34}, {49, 66}, {50, 99} };
static const pl_point one_leaning[] = { {62, 2}, {54, 34}, {46, 66}, {38, 98} };
static const pl_point one_serif[] = { {30, 26}, {42, 14}, {54, 2}, UP, {54, 2}, {54, 50}, {53, 99} };
static const pl_point one_foot[] = { {32, 22}, {54, 2}, UP, {54, 2}, {54, 50}, {54, 96}, UP, {30, 97}, {54, 96},
                                     {78, 96} };

static const pl_point two_plain[] = { {14, 24}, {30, 6}, {58, 2}, {80, 18}, {76, 42}, {46, 70}, {12, 95}, UP, {12, 95},
                                      {48, 93}, {90, 95} };
static const pl_point two_looped[] = { {14, 22}, {34, 4}, {64, 4}, {80, 24}, {66, 54}, {38, 82}, {16, 93}, {12, 82},
                                       {28, 76}, {54, 90}, {90, 92} };
static const pl_point two_angular[] = { {14, 12}, {50, 5}, {80, 12}, {72, 40}, {44, 68}, {14, 96}, UP, {14, 96},
                                        {88, 94} };
static const pl_point two_swan[] = { {20, 28}, {28, 8}, {56, 1}, {76, 18}, {66, 48}, {36, 80}, {10, 94}, {32, 86},
                                     {58, 94}, {92, 84} };

static const pl_point three_round[] = { {14, 14}, {44, 2}, {74, 14}, {72, 36}, {42, 47}, UP, {42, 47}, {78, 56},
                                        {82, 82}, {50, 98}, {12, 86} };
static const pl_point three_flat[] = { {14, 5}, {46, 5}, {80, 5}, UP, {80, 5}, {60, 26}, {44, 42}, UP, {44, 42},
                                       {78, 52}, {82, 78}, {52, 98}, {14, 90} };
static const pl_point three_looped[] = { {18, 16}, {48, 2}, {74, 16}, {62, 38}, {38, 49}, {40, 42}, {56, 46}, {80, 62},
                                         {76, 88}, {44, 98}, {12, 88} };
static const pl_point three_shallow[] = { {22, 8}, {56, 3}, {72, 20}, {54, 44}, {68, 52}, {80, 72}, {58, 96},
                                          {18, 96} };

static const pl_point four_open[] = { {28, 4}, {20, 32}, {12, 57}, UP, {12, 57}, {50, 55}, {90, 54}, UP, {68, 22},
                                      {66, 60}, {62, 99} };
static const pl_point four_closed[] = { {66, 2}, {38, 34}, {8, 66}, UP, {8, 66}, {50, 65}, {94, 64}, UP, {66, 2},
                                        {66, 50}, {66, 99} };
static const pl_point four_bowl[] = { {20, 6}, {14, 36}, {34, 54}, {74, 46}, UP, {80, 4}, {77, 50}, {72, 99} };
static const pl_point four_sharp[] = { {40, 2}, {26, 30}, {10, 52}, UP, {10, 52}, {48, 50}, {84, 46}, UP, {74, 10},
                                       {62, 54}, {50, 98} };

static const pl_point five_bar[] = { {80, 4}, {52, 5}, {26, 6}, UP, {26, 6}, {20, 44}, UP, {20, 44}, {50, 36}, {82, 54},
                                     {76, 86}, {44, 98}, {12, 88} };
static const pl_point five_flowing[] = { {82, 8}, {50, 4}, {30, 12}, {22, 36}, {50, 42}, {80, 62}, {66, 92}, {36, 98},
                                         {12, 90} };
static const pl_point five_hat[] = { {30, 10}, {24, 44}, {56, 42}, {82, 64}, {66, 92}, {36, 98}, {12, 90}, UP, {30, 10},
                                     {60, 7}, {88, 3} };
static const pl_point five_tight[] = { {76, 3}, {40, 6}, UP, {40, 6}, {30, 46}, {58, 46}, {72, 68}, {56, 94},
                                       {18, 96} };

static const pl_point six_round[] = { {70, 3}, {38, 22}, {16, 58}, {26, 90}, {56, 98}, {82, 80}, {70, 56}, {42, 56},
                                      {20, 74} };
static const pl_point six_straight[] = { {58, 1}, {38, 32}, {22, 64}, {32, 94}, {62, 96}, {78, 76}, {58, 58},
                                         {26, 72} };
static const pl_point six_curled[] = { {80, 12}, {54, 2}, {24, 28}, {14, 66}, {38, 97}, {74, 88}, {76, 60}, {48, 52},
                                       {18, 68} };
static const pl_point six_small[] = { {46, 1}, {28, 34}, {18, 70}, {36, 97}, {66, 92}, {66, 70}, {44, 66}, {24, 84} };

static const pl_point seven_plain[] = { {12, 7}, {50, 6}, {86, 5}, UP, {86, 5}, {62, 46}, {42, 99} };
static const pl_point seven_barred[] = { {12, 7}, {50, 6}, {86, 5}, UP, {86, 5}, {62, 46}, {42, 99}, UP, {32, 52},
                                         {54, 50}, {80, 49} };
static const pl_point seven_hooked[] = { {12, 24}, {14, 8}, UP, {14, 8}, {50, 7}, {84, 7}, UP, {84, 7}, {64, 48},
                                         {50, 98} };
static const pl_point seven_curved[] = { {16, 16}, {42, 6}, {80, 8}, {74, 34}, {56, 64}, {48, 98} };

static const pl_point eight_crossing[] = { {76, 16}, {50, 2}, {24, 16}, {38, 40}, {66, 58}, {80, 80}, {50, 98},
                                           {20, 80}, {36, 56}, {64, 38}, {76, 14} };
static const pl_point eight_rings[] = { {50, 46}, {26, 26}, {48, 2}, {74, 22}, {50, 46}, UP, {50, 46}, {18, 72},
                                        {46, 98}, {82, 76}, {50, 46} };
static const pl_point eight_open[] = { {80, 12}, {50, 4}, {26, 20}, {46, 44}, {76, 66}, {66, 94}, {28, 94}, {24, 68},
                                       {52, 44}, {74, 22} };
static const pl_point eight_narrow[] = { {62, 6}, {40, 10}, {40, 34}, {62, 60}, {58, 94}, {36, 92}, {34, 62}, {60, 36},
                                         {64, 10} };

static const pl_point nine_straight[] = { {78, 20}, {52, 3}, {22, 20}, {28, 46}, {56, 50}, {78, 24}, UP, {80, 12},
                                          {76, 54}, {70, 99} };
static const pl_point nine_curved[] = { {80, 26}, {60, 3}, {26, 12}, {22, 42}, {52, 52}, {80, 26}, {80, 62}, {58, 94},
                                        {22, 92} };
static const pl_point nine_flowing[] = { {76, 12}, {44, 4}, {20, 28}, {40, 50}, {72, 34}, {78, 10}, {72, 52},
                                         {56, 98} };
static const pl_point nine_open[] = { {72, 10}, {42, 6}, {22, 30}, {42, 48}, {74, 36}, UP, {82, 6}, {72, 50},
                                      {62, 98} };

static const pl_glyph zeros[] = { GLYPH(8, zero_oval), GLYPH(6, zero_overlapping), GLYPH(4, zero_open),
                                  GLYPH(1, zero_slashed), { 0 } };
static const pl_glyph ones[] = { GLYPH(9, one_stroke), GLYPH(4, one_leaning), GLYPH(4, one_serif), GLYPH(2, one_foot),
                                 { 0 } };
static const pl_glyph twos[] = { GLYPH(7, two_plain), GLYPH(5, two_looped), GLYPH(2, two_angular), GLYPH(4, two_swan),
                                 { 0 } };
static const pl_glyph threes[] = { GLYPH(8, three_round), GLYPH(3, three_flat), GLYPH(4, three_looped),
                                   GLYPH(3, three_shallow), { 0 } };
static const pl_glyph fours[] = { GLYPH(6, four_open), GLYPH(5, four_closed), GLYPH(4, four_bowl), GLYPH(4, four_sharp),
                                  { 0 } };
static const pl_glyph fives[] = { GLYPH(6, five_bar), GLYPH(5, five_flowing), GLYPH(4, five_hat), GLYPH(3, five_tight),
                                  { 0 } };
static const pl_glyph sixes[] = { GLYPH(6, six_round), GLYPH(5, six_straight), GLYPH(4, six_curled),
                                  GLYPH(3, six_small), { 0 } };
static const pl_glyph sevens[] = { GLYPH(7, seven_plain), GLYPH(4, seven_barred), GLYPH(2, seven_hooked),
                                   GLYPH(5, seven_curved), { 0 } };
static const pl_glyph eights[] = { GLYPH(7, eight_crossing), GLYPH(4, eight_rings), GLYPH(4, eight_open),
                                   GLYPH(3, eight_narrow), { 0 } };
static const pl_glyph nines[] = { GLYPH(6, nine_straight), GLYPH(5, nine_curved), GLYPH(5, nine_flowing),
                                  GLYPH(3, nine_open), { 0 } };

const pl_glyph *const pl_glyphs[10] = { zeros, ones, twos, threes, fours, fives, sixes, sevens, eights, nines };
