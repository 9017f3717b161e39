/* The part of libdnf's C API that cambium-dnf calls, and the little of libsolv and rpm beside it. */
#include <libdnf/dnf-sack.h>
#include <libdnf/dnf-goal.h>
#include <libdnf/dnf-advisory.h>
#include <libdnf/dnf-advisorypkg.h>
#include <libdnf/hy-goal.h>
#include <libdnf/hy-nevra.h>
#include <libdnf/hy-package.h>
#include <libdnf/hy-packageset.h>
#include <libdnf/hy-query.h>
#include <libdnf/hy-repo.h>
#include <libdnf/hy-selector.h>
#include <libdnf/hy-subject.h>
#include <libdnf/hy-util.h>
#include <solv/transaction.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmmacro.h>
