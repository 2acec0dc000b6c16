/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The questions. Lists of all come with filters that libvirt applies: what is in the list of those with
 * autostart has it. So a thousand domains cost as many round trips as one.
 *
 * How many there are is a number of libvirtd's, which the client library believes; that an array ends with
 * NULL is its own doing. A daemon gone wild is not to have memory read that is not there. */

#include "mirror/pass.h"

#include "base/error.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "bus/path.h"
#include "virt/autoptr.h"
#include "virt/enums.h"

#include <libvirt/virterror.h>

/* libvirt's filters for what a property of all mirrored kinds says. */
typedef struct Filters {
        const Kind *kind;
        unsigned active, autostart, persistent;
        unsigned active_slot, autostart_slot, persistent_slot, name_slot;
} Filters;

static const Filters filters[] = {
        {&kind_domain, VIR_CONNECT_LIST_DOMAINS_ACTIVE, VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
         VIR_CONNECT_LIST_DOMAINS_PERSISTENT, DOMAIN1_ACTIVE, DOMAIN1_AUTOSTART, DOMAIN1_PERSISTENT,
         DOMAIN1_NAME},
        {&kind_network, VIR_CONNECT_LIST_NETWORKS_ACTIVE, VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
         VIR_CONNECT_LIST_NETWORKS_PERSISTENT, NETWORK1_ACTIVE, NETWORK1_AUTOSTART, NETWORK1_PERSISTENT,
         NETWORK1_NAME},
        {&kind_storage_pool, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE, VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART,
         VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT, STORAGE_POOL1_ACTIVE, STORAGE_POOL1_AUTOSTART,
         STORAGE_POOL1_PERSISTENT, STORAGE_POOL1_NAME},
};

static void answer_clear(void *data)
{
        Answer *answer = data;

        for (size_t i = 0; i < G_N_ELEMENTS(answer->values); i++)
                g_clear_pointer(&answer->values[i], g_variant_unref);
}

static GArray *answers_new(void)
{
        GArray *answers = g_array_new(FALSE, TRUE, sizeof(Answer));

        g_array_set_clear_func(answers, answer_clear);
        return answers;
}

static Answer *add_answer(GArray *answers, const Kind *kind)
{
        g_array_set_size(answers, answers->len + 1);
        g_array_index(answers, Answer, answers->len - 1).kind = kind;
        return &g_array_index(answers, Answer, answers->len - 1);
}

static void set_value(Answer *answer, unsigned slot, GVariant *value)
{
        g_clear_pointer(&answer->values[slot], g_variant_unref);
        answer->values[slot] = g_variant_ref_sink(value);
}

static void set_boolean(Answer *answer, unsigned slot, gboolean value)
{
        set_value(answer, slot, g_variant_new_boolean(value));
}

static void set_state(Answer *answer, int state, int reason)
{
        set_value(answer, DOMAIN1_STATE,
                  g_variant_new_take_string(enum_text(enum_word("domain-state", state), state)));
        set_value(answer, DOMAIN1_STATE_REASON,
                  g_variant_new_take_string(enum_text(enum_reason_word(state, reason), reason)));
}

/* What a domain's handle says by itself. */
static void set_domain(Answer *answer, virDomainPtr domain)
{
        unsigned id = virDomainGetID(domain);
        gboolean active = id != (unsigned)-1;

        answer->present = TRUE;
        set_value(answer, DOMAIN1_ID, g_variant_new_uint32(active ? id : 0));
        set_boolean(answer, DOMAIN1_ACTIVE, active);
        set_value(answer, DOMAIN1_NAME, utf8_variant(virDomainGetName(domain)));
}

static void add_record(GArray *answers, const virDomainStatsRecord *record)
{
        Answer *answer = add_answer(answers, &kind_domain);
        int state = 0, reason = 0;

        kind_domain.uuid(record->dom, answer->uuid);
        set_domain(answer, record->dom);
        if (virTypedParamsGetInt(record->params, record->nparams, "state.state", &state) > 0 &&
            virTypedParamsGetInt(record->params, record->nparams, "state.reason", &reason) > 0)
                set_state(answer, state, reason);
}

/* For drivers that have no such statistics: they are inside this process, where a call costs little. */
static gboolean list_one_by_one(virConnectPtr conn, GArray *answers)
{
        g_autofree virDomainPtr *domains = NULL;
        int n = virConnectListAllDomains(conn, &domains, 0);

        for (int i = 0; i < n && domains[i]; i++) {
                g_autoptr(virDomain) domain = domains[i];
                Answer *answer = add_answer(answers, &kind_domain);
                int state = 0, reason = 0;

                kind_domain.uuid(domain, answer->uuid);
                set_domain(answer, domain);
                if (virDomainGetState(domain, &state, &reason, 0) == 0)
                        set_state(answer, state, reason);
        }

        return n >= 0;
}

static gboolean list_domains(virConnectPtr conn, GArray *answers)
{
        g_autoptr(virDomainStatsRecordPtr) records = NULL;
        int n = virConnectGetAllDomainStats(conn, VIR_DOMAIN_STATS_STATE, &records, 0);

        if (n < 0)
                return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT && list_one_by_one(conn, answers);

        for (int i = 0; i < n && records[i]; i++)
                add_record(answers, records[i]);

        return TRUE;
}

static gboolean list_others(virConnectPtr conn, const Filters *filter, GArray *answers)
{
        const Kind *kind = filter->kind;
        g_autofree void **objects = NULL;
        int n = kind->list(conn, 0, &objects);

        for (int i = 0; i < n && objects[i]; i++) {
                Answer *answer = add_answer(answers, kind);

                answer->present = TRUE;
                kind->uuid(objects[i], answer->uuid);
                set_value(answer, filter->name_slot, utf8_variant(kind->name(objects[i])));
                kind->free(objects[i]);
        }

        return n >= 0;
}

/* The answers of a kind by UUID, borrowed: valid until another is added. */
static GHashTable *index_answers(GArray *answers, const Kind *kind)
{
        GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < answers->len; i++) {
                Answer *answer = &g_array_index(answers, Answer, i);

                if (answer->kind == kind)
                        g_hash_table_insert(index, answer->uuid, answer);
        }

        return index;
}

/* Sets a boolean of all objects: TRUE for those that the filter selects. One that went away meanwhile is not
 * among them, whatever it was. A driver that does not know the filter leaves it as it is. */
static gboolean apply_filter(virConnectPtr conn, const Kind *kind, unsigned flags, GHashTable *index,
                             unsigned slot)
{
        g_autofree void **objects = NULL;
        int n = kind->list(conn, flags, &objects);
        GHashTableIter iter;
        gpointer answer;

        if (n < 0)
                return virGetLastErrorCode() == VIR_ERR_NO_SUPPORT ||
                       virGetLastErrorCode() == VIR_ERR_INVALID_ARG;

        g_hash_table_iter_init(&iter, index);
        while (g_hash_table_iter_next(&iter, NULL, &answer))
                set_boolean(answer, slot, FALSE);

        for (int i = 0; i < n && objects[i]; i++) {
                char uuid[VIR_UUID_STRING_BUFLEN] = "";

                kind->uuid(objects[i], uuid);
                answer = g_hash_table_lookup(index, uuid);
                if (answer)
                        set_boolean(answer, slot, TRUE);
                kind->free(objects[i]);
        }

        return TRUE;
}

static const Filters *filters_of(const Kind *kind)
{
        const Filters *filter = filters;

        while (filter->kind != kind)
                filter++;

        return filter;
}

/* All objects of a mirrored kind, in a few calls however many there are. FALSE and an error when libvirt does
 * not say; a driver that does not have the kind has none. @answers may then have some. */
static gboolean query_all(virConnectPtr conn, const Kind *kind, GArray *answers, GError **error)
{
        const Filters *filter = filters_of(kind);
        g_autoptr(GHashTable) index = NULL;
        gboolean asked =
                kind == &kind_domain ? list_domains(conn, answers) : list_others(conn, filter, answers);

        if (!asked) {
                if (virGetLastErrorCode() == VIR_ERR_NO_SUPPORT)
                        return TRUE;

                error_take_libvirt(error);
                return FALSE;
        }

        index = index_answers(answers, kind);
        /* A domain's handle has said whether it is active. */
        if ((kind == &kind_domain || apply_filter(conn, kind, filter->active, index, filter->active_slot)) &&
            apply_filter(conn, kind, filter->autostart, index, filter->autostart_slot) &&
            apply_filter(conn, kind, filter->persistent, index, filter->persistent_slot))
                return TRUE;

        error_take_libvirt(error);
        return FALSE;
}

/* Whether libvirt's last error says that the domain is not there; only that makes it disappear, never a
 * failure to ask. */
static gboolean is_gone(GError **error)
{
        if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
                return TRUE;

        error_take_libvirt(error);
        return FALSE;
}

static void set_definition(Answer *answer, virDomainPtr domain)
{
        g_autofree char *type = virDomainGetOSType(domain);
        int persistent = virDomainIsPersistent(domain);
        int autostart = 0;

        if (type)
                set_value(answer, DOMAIN1_OS_TYPE, utf8_variant(type));
        if (persistent >= 0)
                set_boolean(answer, DOMAIN1_PERSISTENT, persistent > 0);
        if (virDomainGetAutostart(domain, &autostart) == 0)
                set_boolean(answer, DOMAIN1_AUTOSTART, autostart != 0);
}

/* Whether a handle and a state, which two questions gave, are of one moment: it may have been started or
 * ended between them. */
static gboolean agree(virDomainPtr domain, int state)
{
        gboolean active = virDomainGetID(domain) != (unsigned)-1;

        return state == VIR_DOMAIN_NOSTATE || state == VIR_DOMAIN_CRASHED ||
               active == (state != VIR_DOMAIN_SHUTOFF);
}

/* Looks a domain up, and asks for its state: twice where the two do not agree. NULL and libvirt's error where
 * it cannot be found; @r is what libvirt said to the question for the state. */
static virDomainPtr look_up_with_state(virConnectPtr conn, DomainCache *domain_cache, const char *uuid,
                                       int *state, int *reason, int *r)
{
        virDomainPtr domain = NULL;

        for (unsigned tries = 0; tries < 2; tries++) {
                g_clear_pointer(&domain, virDomainFree);
                domain = domain_cache_look_up(domain_cache, conn, uuid);
                *r = domain ? virDomainGetState(domain, state, reason, 0) : -1;
                if (*r < 0 || agree(domain, *state))
                        break;
        }

        return domain;
}

/* One domain. Where only its state is asked for, a handle of an earlier question serves. A domain that is
 * gone is an answer, too. */
static gboolean query_domain(virConnectPtr conn, DomainCache *domain_cache, const char *uuid, Aspects aspects,
                             GArray *answers, GError **error)
{
        virDomainPtr known = aspects == ASPECT_STATE ? domain_cache_find(domain_cache, conn, uuid) : NULL;
        int state = 0, reason = 0, r = known ? virDomainGetState(known, &state, &reason, 0) : 0;
        g_autoptr(virDomain) domain =
                known ? known : look_up_with_state(conn, domain_cache, uuid, &state, &reason, &r);
        gboolean asked = TRUE;
        Answer *answer;

        if (!domain && !is_gone(error))
                return FALSE;

        answer = add_answer(answers, &kind_domain);
        g_strlcpy(answer->uuid, uuid, sizeof answer->uuid);
        if (!domain)
                return TRUE;

        if (r == 0) {
                answer->present = TRUE;
                set_state(answer, state, reason);
                if (!known)
                        set_domain(answer, domain);
                if (aspects & ASPECT_DEFINITION)
                        set_definition(answer, domain);
        } else {
                asked = is_gone(error);
                /* That libvirt did not answer is no answer. */
                if (!asked)
                        g_array_set_size(answers, answers->len - 1);
        }

        return asked;
}

/* The kind of its system alone. Nothing is added for a domain that is gone; a driver may be unable to tell.
 */
static gboolean query_system(virConnectPtr conn, DomainCache *domain_cache, const char *uuid, GArray *answers,
                             GError **error)
{
        g_autoptr(virDomain) known = domain_cache_find(domain_cache, conn, uuid);
        g_autoptr(virDomain) found = known ? NULL : virDomainLookupByUUIDString(conn, uuid);
        virDomainPtr domain = known ? known : found;
        g_autofree char *type = domain ? virDomainGetOSType(domain) : NULL;
        g_autoptr(GError) problem = NULL;
        Answer *answer;

        if (!type && is_gone(&problem))
                return TRUE;

        if (!type && virConnectIsAlive(conn) == 0) {
                g_propagate_error(error, g_steal_pointer(&problem));
                return FALSE;
        }

        answer = add_answer(answers, &kind_domain);
        g_strlcpy(answer->uuid, uuid, sizeof answer->uuid);
        answer->present = answer->only_system = TRUE;
        set_value(answer, DOMAIN1_OS_TYPE, utf8_variant(type));
        return TRUE;
}

void waiters_tell(GArray *waiters, gboolean told)
{
        for (guint i = 0; waiters && i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->func(told, waiter->data);
        }

        g_clear_pointer(&waiters, g_array_unref);
}

static GHashTable *set_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

Pass *pass_new(Link *link, DomainCache *domain_cache, void *data)
{
        Pass *pass = g_new0(Pass, 1);

        ASSERT_MAIN();
        pass->link = link;
        pass->domain_cache = domain_cache;
        for (size_t i = 0; i < N_MIRRORED; i++)
                pass->lists[i] = link;
        dirty_init(&pass->dirty);
        pass->systems = g_ptr_array_new_with_free_func(g_free);
        pass->failed = set_new();
        pass->answers = answers_new();
        pass->data = data;
        pass->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        pass->passing = set_new();
        return pass;
}

void pass_free(Pass *pass)
{
        if (!pass)
                return;

        ASSERT_MAIN();
        dirty_clear(&pass->dirty);
        g_ptr_array_unref(pass->systems);
        g_hash_table_unref(pass->failed);
        g_array_unref(pass->answers);
        g_clear_error(&pass->error);
        g_array_unref(pass->waiters);
        g_hash_table_unref(pass->passing);
        g_clear_pointer(&pass->order, g_array_unref);
        g_free(pass);
}

/* All objects of the kind at that place; @conn is that of the domains. */
static gboolean ask_list(Pass *pass, size_t i, virConnectPtr conn, GError **error)
{
        g_autoptr(virConnect) other = NULL;

        if (pass->lists[i] == pass->link)
                return query_all(conn, mirrored_kinds[i], pass->answers, error);

        other = link_acquire(pass->lists[i], error);
        return other && query_all(other, mirrored_kinds[i], pass->answers, error);
}

static gboolean ask_lists(Pass *pass, virConnectPtr conn)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                g_autoptr(GError) error = NULL;
                guint before = pass->answers->len;

                if (!pass->dirty.list[i])
                        continue;

                pass->listed[i] = ask_list(pass, i, conn, &error);
                if (pass->listed[i])
                        continue;

                /* Networks and pools may have a daemon of their own, whose outage is not that of domains. */
                g_array_set_size(pass->answers, before);
                if (mirrored_kinds[i] == &kind_domain || virConnectIsAlive(conn) == 0) {
                        pass->error = g_steal_pointer(&error);
                        return FALSE;
                }
                g_debug("failed to list the kind %s: %s", mirrored_kinds[i]->collection, error->message);
        }

        return TRUE;
}

static gboolean ask_domains(Pass *pass, virConnectPtr conn)
{
        GHashTableIter iter;
        gpointer uuid, aspects;

        g_hash_table_iter_init(&iter, pass->dirty.domains);
        while (g_hash_table_iter_next(&iter, &uuid, &aspects)) {
                g_autoptr(GError) error = NULL;

                if (query_domain(conn, pass->domain_cache, uuid, GPOINTER_TO_UINT(aspects), pass->answers,
                                 &error))
                        continue;

                if (virConnectIsAlive(conn) == 0) {
                        pass->error = g_steal_pointer(&error);
                        return FALSE;
                }

                g_debug("failed to ask about domain %s: %s", (char *)uuid, error->message);
                g_hash_table_add(pass->failed, g_strdup(uuid));
        }

        return TRUE;
}

static gboolean ask_systems(Pass *pass, virConnectPtr conn)
{
        for (guint i = 0; i < pass->systems->len; i++)
                if (!query_system(conn, pass->domain_cache, g_ptr_array_index(pass->systems, i),
                                  pass->answers, &pass->error))
                        return FALSE;

        return TRUE;
}

void pass_ask(Pass *pass)
{
        g_autoptr(virConnect) conn = NULL;

        ASSERT_WORKER();
        conn = link_acquire(pass->link, &pass->error);
        if (!conn)
                return;

        if (ask_lists(pass, conn) && ask_domains(pass, conn))
                ask_systems(pass, conn);
}

/* What it said */

static unsigned rank(const Mirror *mirror, const Answer *answer)
{
        if (!answer->present)
                return 0;

        return mirror_find_uuid(mirror, answer->kind, answer->uuid) ? 1 : 2;
}

GArray *pass_order(const Pass *pass, const Mirror *mirror)
{
        const GArray *answers = pass->answers;
        GArray *order = g_array_sized_new(FALSE, FALSE, sizeof(guint), answers->len);
        g_autofree guint8 *ranks = g_new(guint8, answers->len + 1);

        ASSERT_MAIN();
        for (guint i = 0; i < answers->len; i++)
                ranks[i] = (guint8)rank(mirror, &g_array_index(answers, Answer, i));
        for (guint8 each = 0; each <= 2; each++)
                for (guint i = 0; i < answers->len; i++)
                        if (ranks[i] == each)
                                g_array_append_val(order, i);

        return order;
}

GHashTable *pass_leaves(const Pass *pass, const Kind *kind)
{
        const GArray *answers = pass->answers;
        GHashTable *leaves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; i < answers->len; i++) {
                const Answer *answer = &g_array_index(answers, Answer, i);

                if (answer->kind == kind)
                        g_hash_table_add(leaves, path_uuid_leaf(answer->uuid));
        }

        return leaves;
}
