/* Operations on elements that follow each other, as one: a program whose registers are strips of elements that stay in
   the first-level cache. Elements are those of a matrix [rows, cols], cols being the last axis; what is read from
   memory is that large, or is broadcast to it. The bits are those of the operations one by one. */
#ifndef LAYERS_CHAIN_H
#define LAYERS_CHAIN_H

#include "kernels/operations.h"
#include "layers/layer.h"
#include "layers/walk.h"

enum { PL_MOST_CHAIN = 24, PL_CHAIN_CODE = 256, PL_CHAIN_OUTERS = 160 };

typedef enum pl_chain_kind {
  PL_CHAIN_VALUE,        /* to = f(from[0], from[1], from[2]) */
  PL_CHAIN_SLOPE,        /* to = from[3] df/d(input k), written in from[0..2] and from[4], the result */
  PL_CHAIN_ADD,          /* to = from[0] + from[1] */
  PL_CHAIN_SUM           /* adds from[0] to the gradient of what was broadcast: outer `to` */
} pl_chain_kind;

/* Registers are numbered from 0; -1 - i is outer i. */
enum { PL_CHAIN_NONE = 1 << 14, PL_CHAIN_FROM = 5 };
typedef struct pl_chain_step {
  unsigned char kind, code, k;
  short to, from[PL_CHAIN_FROM];
} pl_chain_step;

/* In memory: a value, or a gradient. */
typedef struct pl_chain_outer { unsigned char lane; bool is_grad, summed; int id; } pl_chain_outer;

typedef struct pl_chain_code {
  int steps, registers, outers;
  bool flat;             /* nothing depends on rows: any strip will do */
  pl_chain_step step[PL_CHAIN_CODE];
  pl_chain_outer outer[PL_CHAIN_OUTERS];
} pl_chain_code;

/* The outer of that kind, added if it is not there. */
static inline short pl_chain_outer_at(pl_chain_code *code, pl_lane lane, bool is_grad, bool summed, int id) {
  for (int i = 0; i < code->outers; i++)
    if (code->outer[i].is_grad == is_grad && code->outer[i].id == id) return (short)(-1 - i);
  code->outer[code->outers] = (pl_chain_outer){ (unsigned char)lane, is_grad, summed, id };
  code->flat = code->flat && !summed && lane != PL_LANE_ROW && lane != PL_LANE_COLUMN;
  return (short)(-1 - code->outers++);
}

static inline void pl_chain_add_step(pl_chain_code *code, pl_chain_kind kind, int op, int k, short to,
                                     const short from[PL_CHAIN_FROM]) {
  pl_chain_step *s = &code->step[code->steps++];
  *s = (pl_chain_step){ .kind = (unsigned char)kind, .code = (unsigned char)op, .k = (unsigned char)k, .to = to };
  for (int i = 0; i < PL_CHAIN_FROM; i++) s->from[i] = from[i];
}

/* What the derivative to input k is written in: bits 0 to 2 the inputs, bit PL_CHAIN_RESULT the result. */
enum { PL_CHAIN_RESULT = 4 };
unsigned pl_elementwise_reads(int code, int k);
/* The number of an operation on elements; -1: it is another. */
int pl_elementwise_code(const pl_operation *o);
/* Whether its derivative to input k is 1, so that dy stands for it. */
static inline bool pl_elementwise_passes(int code, int k) {
  return code == PL_EL_add || (code == PL_EL_sub && k == 0);
}

/* Bytes of scratch for so many rows. */
size_t pl_chain_scratch(const pl_chain_code *code, size_t rows, size_t cols, int members);
/* Every member calls. place[outers]; NULL of a gradient: not wanted. Contains a barrier where sums are made. */
void pl_chain_run(const pl_chain_code *code, const pl_team *team, float *const *place, size_t rows, size_t cols,
                  float *scratch);

#endif
