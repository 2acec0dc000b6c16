/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "access/user_database.h"

#include "base/background.h"

#include <pwd.h>
#include <unistd.h>

/* None that a system gives to anybody. */
#define NOBODY ((uid_t)3999999999)

typedef struct Answers {
        unsigned known, unknown, members;
} Answers;

static void on_user(const UserEntry *entry, void *data)
{
        Answers *answers = data;

        if (entry->known)
                answers->known++;
        else
                answers->unknown++;
        answers->members += (unsigned)entry->member;
}

static void wait_for(const Answers *answers, unsigned n)
{
        while (answers->known + answers->unknown < n)
                g_main_context_iteration(NULL, TRUE);
}

static void test_look_up(void)
{
        UserEntry root = user_database_look_up(0), nobody = user_database_look_up(NOBODY);

        g_assert_true(root.known);
        g_assert_false(nobody.known);
        g_assert_false(nobody.member);
}

/* As another program sees it: of all users that are listed. */
static void test_members(void)
{
        struct passwd *user;

        setpwent();
        for (unsigned i = 0; i < 100 && (user = getpwent()); i++) {
                g_autofree char *command =
                        g_strdup_printf("id -Gn %s | tr ' ' '\\n' | grep -qx " USERDB_GROUP, user->pw_name);
                int status;

                g_assert_true(g_spawn_sync(NULL, (char *[]){(char *)"sh", (char *)"-c", command, NULL}, NULL,
                                           G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
                g_assert_cmpint(user_database_look_up(user->pw_uid).member, ==, status == 0);
        }
        endpwent();
}

/* Each who asks has one answer, later; few look-ups run at once. */
static void test_ask(void)
{
        UserDatabase *user_database = user_database_new();
        Answers answers = {};

        for (unsigned i = 0; i < 100; i++) {
                user_database_ask(user_database, 0, on_user, &answers);
                user_database_ask(user_database, NOBODY - i, on_user, &answers);
        }
        g_assert_cmpuint(answers.known + answers.unknown, ==, 0);
        g_assert_cmpuint(background_running(), <=, 4);
        wait_for(&answers, 200);
        g_assert_cmpuint(answers.known, ==, 100);
        g_assert_cmpuint(answers.unknown, ==, 100);
        g_assert_cmpuint(background_running(), ==, 0);
        user_database_free(user_database);
        user_database_free(NULL);
}

/* The answer that does not come is no; that of a thread that comes later goes to nobody. */
static void test_the_end(void)
{
        UserDatabase *user_database = user_database_new();
        Answers answers = {};

        for (unsigned i = 0; i < 20; i++)
                user_database_ask(user_database, i, on_user, &answers);
        user_database_free(user_database);
        g_assert_cmpuint(answers.unknown, ==, 20);
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(answers.known, ==, 0);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        main_queue_init();
        g_test_add_func("/userdb/look-up", test_look_up);
        g_test_add_func("/userdb/members", test_members);
        g_test_add_func("/userdb/ask", test_ask);
        g_test_add_func("/userdb/the-end", test_the_end);
        r = g_test_run();
        main_queue_shutdown();
        return r;
}
