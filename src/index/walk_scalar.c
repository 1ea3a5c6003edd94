/* walk_scalar.c - walks in plain C. */
#include "index/walk_scalar.h"
#include "vec/four_scalar.h"

#include "index/walk_body.h"

const struct walks walks_scalar = WALKS;
