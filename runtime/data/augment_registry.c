/* Every augmentation once: a new one is one file and one line in this list. */
#include "data/augment.h"

#define AUGMENTATIONS(X) X(affine) X(elastic) X(noise) X(cutout) X(flip)

#define DECLARE(name) extern const pl_augment_class pl_augment_##name;
AUGMENTATIONS(DECLARE)
#define ENTRY(name) &pl_augment_##name,
const pl_augment_class *const pl_augment_registry[] = { AUGMENTATIONS(ENTRY) NULL };
#define NAME(name) #name,
static const char *const names[] = { AUGMENTATIONS(NAME) NULL };

const char *const *pl_augment_types(void) { return names; }
