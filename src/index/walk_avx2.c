/* walk_avx2.c - walks with AVX2 distances. */
#define WALK_ISA
#include "index/walk_scalar.h"
#include "vec/four_avx2.h"

#include "index/walk_body.h"

const struct walks walks_avx2 = WALKS;
