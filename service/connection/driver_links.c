/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links to modular daemons beside the hypervisor's. They are open while that of the hypervisor is: what
 * happens while it is away is found by the comparison after it. */

#include "connection/driver_links.h"

#include "base/log.h"
#include "base/thread.h"

typedef struct DriverLink {
        DriverLinks *owner;
        const Driver *driver;
        Link *link;       /* NULL: it can have none */
        gboolean awaited; /* its first attempt is not over */
} DriverLink;

struct DriverLinks {
        DriverLinksConfig config;
        DriverLink links[N_DRIVERS];
        gboolean settled;
};

/* Worker thread. */
static gboolean driver_prepare(virConnectPtr conn, void *data, void **prepared, GError **error)
{
        const DriverLink *each = data;

        *prepared = events_register(each->owner->config.events, conn, each->driver->kind, error);
        return *prepared != NULL;
}

/* The first attempt of one is over. */
static void settle(DriverLink *each)
{
        DriverLinks *links = each->owner;

        each->awaited = FALSE;
        for (unsigned i = 0; i < N_DRIVERS; i++)
                if (links->links[i].awaited)
                        return;

        links->settled = TRUE;
        links->config.settled(links->config.data);
}

static void driver_opened(Link *link, void *data)
{
        DriverLink *each = data;
        const DriverLinks *links = each->owner;

        if (!links->settled)
                settle(each);
        else
                inventory_driver_opened(links->config.inventory, each->driver);
}

static void driver_lost(Link *link, void *data)
{
        const DriverLink *each = data;
        const DriverLinksConfig *config = &each->owner->config;

        log_connection(config->forward ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_WARNING, config->name, config->uri,
                       "the daemon of the driver %s was lost", each->driver->name);
        inventory_driver_lost(config->inventory, each->driver, link_close_reason(link), link_error(link));
}

static void driver_renewed(Link *link, void *data)
{
        const DriverLink *each = data;

        inventory_renewed(each->owner->config.inventory);
}

static void driver_failed(Link *link, const GError *error, void *data)
{
        DriverLink *each = data;

        link_log_failure(link);
        inventory_driver_failed(each->owner->config.inventory, each->driver);
        if (each->awaited)
                settle(each);
}

static const LinkOwner driver_owner = {.prepare = driver_prepare,
                                       .release = events_deregister,
                                       .opened = driver_opened,
                                       .lost = driver_lost,
                                       .renewed = driver_renewed,
                                       .failed = driver_failed};

static void add(DriverLinks *links, const Driver *driver, DriverLink *each)
{
        const DriverLinksConfig *config = &links->config;
        g_autofree char *uri = driver_uri(driver, config->uri);

        each->owner = links;
        each->driver = driver;
        if (!uri)
                return;

        each->link = link_new(config->name, uri, FALSE, config->limits, &driver_owner, each);
        if (config->forward)
                link_forward(each->link, config->identity);
}

DriverLinks *driver_links_new(const DriverLinksConfig *config)
{
        DriverLinks *links = g_new0(DriverLinks, 1);

        ASSERT_MAIN();
        links->config = *config;
        for (unsigned i = 0; i < N_DRIVERS; i++)
                add(links, &drivers[i], &links->links[i]);
        return links;
}

void driver_links_open(DriverLinks *links)
{
        ASSERT_MAIN();
        links->settled = FALSE;
        for (unsigned i = 0; i < N_DRIVERS; i++)
                links->links[i].awaited = TRUE;
        for (unsigned i = 0; i < N_DRIVERS; i++)
                link_open(links->links[i].link);
}

void driver_links_close(DriverLinks *links)
{
        ASSERT_MAIN();
        for (unsigned i = 0; i < N_DRIVERS; i++)
                if (links->links[i].link)
                        link_close(links->links[i].link);
}

Link *driver_links_get(const DriverLinks *links, const Driver *driver)
{
        ASSERT_MAIN();
        return links->links[driver - drivers].link;
}

void driver_links_shut(DriverLinks *links)
{
        ASSERT_MAIN();
        for (unsigned i = 0; i < N_DRIVERS; i++)
                if (links->links[i].link)
                        link_shut(links->links[i].link);
}

gboolean driver_links_are_busy(const DriverLinks *links)
{
        ASSERT_MAIN();
        for (unsigned i = 0; i < N_DRIVERS; i++)
                if (links->links[i].link && link_is_busy(links->links[i].link))
                        return TRUE;

        return FALSE;
}

void driver_links_free(DriverLinks *links)
{
        ASSERT_MAIN();
        if (!links)
                return;

        for (unsigned i = 0; i < N_DRIVERS; i++)
                link_free(links->links[i].link);
        g_free(links);
}
