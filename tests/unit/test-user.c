/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users, with a user database that is the test's. */

#include "access/user.h"

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

static Users users;

static void set_up(void)
{
        users_init(&users, (UserDatabase *)&asked);
}

static User *get(uid_t uid)
{
        return users_get(&users, uid);
}

static void charge(User *user, guint64 calls)
{
        quota_charge(&user->quota, QUOTA_CALLS, calls);
}

static void check(User *user, guint64 calls)
{
        g_assert_cmpuint(user_charged(user, QUOTA_CALLS), ==, calls);
}

static void drop(User *user, guint64 calls)
{
        quota_discharge(&user->quota, QUOTA_CALLS, calls);
        user_unref(user);
}

/* Each that is not known sees what all of them have; one that becomes known takes its own along. */
static void test_strangers(void)
{
        User *known, *one, *other;

        set_up();
        known = get(KNOWN);
        one = get(UNKNOWN);
        other = get(UNKNOWN + 1);
        charge(known, 1);
        charge(one, 2);
        charge(other, 3);
        check(known, 6);
        check(one, 6);
        g_assert_true(user_is_same(known, one));
        g_assert_true(user_shared(known) == user_shared(one));
        g_assert_cmpuint(answer(), ==, 3);
        check(known, 1);
        check(one, 5);
        check(other, 5);
        g_assert_cmpuint(users.total.charged[QUOTA_CALLS], ==, 6);
        g_assert_true(user_is_same(one, other));
        g_assert_false(user_is_same(known, one));
        g_assert_true(user_shared(one) == user_shared(other));
        g_assert_true(user_shared(known) == known);
        g_assert_true(user_shared(one) == &users.strangers);
        charge(known, 5);
        check(other, 5);
        drop(known, 6);
        drop(one, 2);
        check(other, 3);
        drop(other, 3);
        users_clear(&users);
}

static void test_one(void)
{
        User *user, *again, *other;

        set_up();
        user = get(KNOWN);
        again = get(KNOWN);
        other = get(KNOWN + 1);
        answer();
        g_assert_true(user == again);
        g_assert_true(user_is_same(user, again));
        g_assert_false(user_is_same(user, other));
        g_assert_false(user_is_same(user, NULL));
        g_assert_false(user_is_same(NULL, NULL));
        user_unref(user);
        user_unref(again);
        user_unref(other);
        user_unref(NULL);
        users_clear(&users);
}

/* A user that is known stays so between its callers; of those that are not nothing is left, and they are
 * asked about when they come again. */
static void test_kept(void)
{
        set_up();
        for (uid_t i = 0; i < 1000; i++) {
                user_unref(get(KNOWN));
                user_unref(get(UNKNOWN + i));
        }
        g_assert_cmpuint(answer(), ==, 1001);
        user_unref(get(KNOWN));
        g_assert_cmpuint(answer(), ==, 0);
        user_unref(get(UNKNOWN));
        user_unref(get(UNKNOWN));
        g_assert_cmpuint(answer(), ==, 1);
        users_clear(&users);
}

/* A number that the bus did not tell is nobody's, for good. */
static void test_nobody(void)
{
        User *nobody;

        set_up();
        nobody = get((uid_t)-1);
        g_assert_cmpuint(answer(), ==, 0);
        g_assert_true(user_shared(nobody) == &users.strangers);
        user_unref(nobody);
        users_clear(&users);
}

/* Holders that outlive them all, and answers that come after. */
static void test_the_end(void)
{
        User *known, *unknown;

        set_up();
        known = get(KNOWN);
        unknown = get(UNKNOWN);
        charge(known, 1);
        charge(unknown, 2);
        users_clear(&users);
        answer();
        check(known, 1);
        drop(known, 1);
        drop(unknown, 2);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/user/strangers", test_strangers);
        g_test_add_func("/user/one", test_one);
        g_test_add_func("/user/kept", test_kept);
        g_test_add_func("/user/nobody", test_nobody);
        g_test_add_func("/user/the-end", test_the_end);
        return g_test_run();
}
