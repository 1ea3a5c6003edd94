/* walk_neon.c - walks with NEON distances. */
#define WALK_ISA
#include "index/walk_scalar.h"
#include "vec/four_neon.h"

#include "index/walk_body.h"

const struct walks walks_neon = WALKS;
