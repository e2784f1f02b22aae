/* Old groups find their names, and data sets their chunks, by a B-tree without check sums. libhdf5 goes down as long as
   nodes say that they are no leaf, so that one that leads to itself, or up, has no end; and as often into a node as
   others lead to it, 64 to the power of the levels at worst. In a tree each node has one level less than the one that
   leads to it, and only one does.

   HDF5 File Format Specification 3.0, III.A.1: "TREE", type (0: names, 1: chunks), level (0: a leaf), entries (2
   bytes), addresses of both neighbours (O each); then key, child, key, child, ..., key. A child is an address (O): of a
   node or, in a leaf, of names or of a chunk. A key of names is an offset in their heap (L); of chunks: bytes as stored
   (4), filters that were skipped (4), and where the chunk begins, along each axis and in the bytes of an element (8
   each). All numbers are little-endian. */
#include <string.h>
#include "perilune/alloc.h"
#include "store/checked_file.h"

enum { NAMES, CHUNKS, HEAD = 8 };

/* Where a node is in the table, or would be. Node 0 is none: there is the file's signature. */
static pl_node_claim *find_claim(const pl_checked_file *f, uint64_t node) {
  size_t i = (size_t)(node * 0x9e3779b97f4a7c15u >> 32) & (f->claim_capacity - 1);
  while (f->claims[i].node != 0 && f->claims[i].node != node) i = (i + 1) & (f->claim_capacity - 1);
  return &f->claims[i];
}

static bool grow(pl_checked_file *f) {
  pl_checked_file larger = *f;
  larger.claim_capacity = f->claim_capacity ? 2 * f->claim_capacity : 64;
  larger.claims = pl_alloc_array(larger.claim_capacity, sizeof *larger.claims, &f->error);
  if (larger.claims == NULL) return false;
  for (size_t i = 0; i < f->claim_capacity; i++)
    if (f->claims[i].node != 0) *find_claim(&larger, f->claims[i].node) = f->claims[i];
  pl_free(f->claims);
  *f = larger;
  return true;
}

/* libhdf5 may read a node again, whose entries lead to the same ones then. */
static bool claim(pl_checked_file *f, uint64_t node, uint64_t by) {
  if (node == 0) return true;
  if (4 * (f->claim_count + 1) > 3 * f->claim_capacity && !grow(f)) return false;
  pl_node_claim *c = find_claim(f, node);
  if (c->node == node) return c->by == by || pl_checked_file_refuse(f, "an index leads twice to the same place");
  *c = (pl_node_claim){ node, by };
  f->claim_count++;
  return true;
}

/* What is no node, or of another kind, libhdf5 refuses. */
static bool is_below(pl_checked_file *f, const uint8_t *parent, uint64_t at) {
  uint8_t child[HEAD];
  if (__builtin_add_overflow(at, f->base, &at) || !pl_checked_file_get(f, at, child, HEAD)) return true;
  return memcmp(child, parent, 5) != 0 || child[5] == parent[5] - 1 ||
    pl_checked_file_refuse(f, "an index leads to a node of a wrong level");
}

bool pl_tree_node_check(pl_checked_file *f, uint64_t at, const uint8_t *bytes, size_t n) {
  size_t first = HEAD + 2 * f->address;
  if (n < first || memcmp(bytes, "TREE", 4) != 0 || bytes[4] > CHUNKS) return true;
  bool names = bytes[4] == NAMES, leaf = bytes[5] == 0;
  size_t key = names ? f->length : 8 + 8 * ((size_t)f->chunk_axes + 1), entries = pl_file_number(bytes + 6, 2);
  if (leaf && !names) return true;
  for (size_t i = 0; i < entries && (i + 1) * (key + f->address) <= n - first; i++) {
    const uint8_t *entry = bytes + first + i * (key + f->address);
    uint64_t child = pl_file_number(entry + key, f->address);
    if (!leaf && !is_below(f, bytes, child)) return false;
    if (!claim(f, child, at + (uint64_t)(entry - bytes))) return false;
  }
  return true;
}
