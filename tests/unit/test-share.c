/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shares, with a user database that is the test's. */

#include "access/share.h"

#define KNOWN   1000
#define UNKNOWN 2000

typedef struct Asked {
        uid_t uid;
        UserdbFunc *done;
        void *data;
} Asked;

static GQueue asked = G_QUEUE_INIT;

/* Instead of the service's own. */
void user_database_ask(UserDatabase *user_database, uid_t uid, UserdbFunc *done, void *data)
{
        Asked *one = g_new(Asked, 1);

        *one = (Asked){uid, done, data};
        g_queue_push_tail(&asked, one);
}

/* Answers all that was asked; how much that was. */
static unsigned answer(void)
{
        unsigned n = 0;
        Asked *one;

        for (; (one = g_queue_pop_head(&asked)); n++) {
                one->done(&(UserEntry){.known = one->uid < UNKNOWN}, one->data);
                g_free(one);
        }

        return n;
}

static Shares *shares;

static void set_up(void)
{
        shares = shares_new((UserDatabase *)&asked);
}

static Share *get(uid_t uid)
{
        return shares_get(shares, uid);
}

static void charge(Share *share, guint64 calls)
{
        account_charge(share_account(share), QUOTA_CALLS, calls);
}

static void check(const Share *share, guint64 calls)
{
        g_assert_cmpuint(share_charged(share, QUOTA_CALLS), ==, calls);
}

static void drop(Share *share, guint64 calls)
{
        account_discharge(share_account(share), QUOTA_CALLS, calls);
        share_unref(share);
}

/* Each that is not known sees what all of them have; one that becomes known takes its own along. */
static void test_strangers(void)
{
        Share *known, *one, *other;

        set_up();
        known = get(KNOWN);
        one = get(UNKNOWN);
        other = get(UNKNOWN + 1);
        charge(known, 1);
        charge(one, 2);
        charge(other, 3);
        check(known, 6);
        check(one, 6);
        g_assert_true(share_is_one(known, one));
        g_assert_true(share_key(known) == share_key(one));
        g_assert_cmpuint(answer(), ==, 3);
        check(known, 1);
        check(one, 5);
        check(other, 5);
        g_assert_true(share_is_one(one, other));
        g_assert_false(share_is_one(known, one));
        g_assert_true(share_key(one) == share_key(other));
        g_assert_true(share_key(known) == known);
        g_assert_cmpuint(share_user(known), ==, KNOWN);
        g_assert_cmpuint(share_user(one), ==, (uid_t)-1);
        charge(known, 5);
        check(other, 5);
        drop(known, 6);
        drop(one, 2);
        check(other, 3);
        drop(other, 3);
        shares_free(shares);
}

static void test_one(void)
{
        Share *share, *again, *other;

        set_up();
        share = get(KNOWN);
        again = get(KNOWN);
        other = get(KNOWN + 1);
        answer();
        g_assert_true(share == again);
        g_assert_true(share_is_one(share, again));
        g_assert_false(share_is_one(share, other));
        g_assert_false(share_is_one(share, NULL));
        g_assert_false(share_is_one(NULL, NULL));
        share_unref(share);
        share_unref(again);
        share_unref(other);
        share_unref(NULL);
        shares_free(shares);
        shares_free(NULL);
}

/* A user that is known stays so between its callers; of those that are not nothing is left, and they are
 * asked about when they come again. */
static void test_kept(void)
{
        set_up();
        for (uid_t i = 0; i < 1000; i++) {
                share_unref(get(KNOWN));
                share_unref(get(UNKNOWN + i));
        }
        g_assert_cmpuint(answer(), ==, 1001);
        share_unref(get(KNOWN));
        g_assert_cmpuint(answer(), ==, 0);
        share_unref(get(UNKNOWN));
        share_unref(get(UNKNOWN));
        g_assert_cmpuint(answer(), ==, 1);
        shares_free(shares);
}

/* A number that the bus did not tell is nobody's, for good. */
static void test_nobody(void)
{
        Share *nobody;

        set_up();
        nobody = get((uid_t)-1);
        g_assert_cmpuint(answer(), ==, 0);
        g_assert_cmpuint(share_user(nobody), ==, (uid_t)-1);
        share_unref(nobody);
        shares_free(shares);
}

/* Holders that outlive them all, and answers that come after. */
static void test_the_end(void)
{
        Share *known, *unknown;

        set_up();
        known = get(KNOWN);
        unknown = get(UNKNOWN);
        charge(known, 1);
        charge(unknown, 2);
        shares_free(shares);
        answer();
        check(known, 1);
        drop(known, 1);
        drop(unknown, 2);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/share/strangers", test_strangers);
        g_test_add_func("/share/one", test_one);
        g_test_add_func("/share/kept", test_kept);
        g_test_add_func("/share/nobody", test_nobody);
        g_test_add_func("/share/the-end", test_the_end);
        return g_test_run();
}
