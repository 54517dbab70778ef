// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI bus: QEMU's ivshmem-doorbell. The memory is everybody's who has the same fabric
 * server, a doorbell is a register, an interrupt says who has to look at what.
 *
 * The device id is everybody's, too, so nothing is written to the memory before it was found
 * to be a fabric's.
 */
#include <linux/delay.h>
#include <linux/dmi.h>
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/siphash.h>
#include <asm/unaligned.h>

#include "npnic.h"

#define NPNIC_PCI_REGS		0	/* BARs */
#define NPNIC_PCI_MEM		2
#define NPNIC_PCI_ID		8	/* registers: IVPosition */
#define NPNIC_PCI_DOORBELL	12
#define NPNIC_PCI_REVISION	1
#define NPNIC_PCI_VECTORS	(NPNIC_VEC_QUEUE + NPNIC_QUEUES_MAX)

/* How long the board, or who formats a blank region, is waited for. */
#define NPNIC_PCI_WAIT_MS	1000
#define NPNIC_PCI_STEP_MS	20

/* What a blank region begins with while a member formats it. */
#define NPNIC_MAGIC_FORMAT	"NPNICFMT"

static bool npnic_format_blank;
module_param_named(format_blank, npnic_format_blank, bool, 0444);
MODULE_PARM_DESC(format_blank, "format a blank region, and do without a fabric server (N)");

static unsigned int npnic_format_slots = NPNIC_SLOTS_MIN;
module_param_named(format_slots, npnic_format_slots, uint, 0444);
MODULE_PARM_DESC(format_slots, "members of a region that is formatted (2)");

static unsigned int npnic_format_queues = 1;
module_param_named(format_queues, npnic_format_queues, uint, 0444);
MODULE_PARM_DESC(format_queues, "queues of a region that is formatted (1)");

/**
 * struct npnic_pci_irq - what an interrupt handler is told
 * @nic: the device
 * @vector: which
 */
struct npnic_pci_irq {
	struct npnic *nic;
	u32 vector;
};

/**
 * struct npnic_pci - a PCI function
 * @pdev: the function
 * @nic: the device; NULL until there is one
 * @regs: its registers
 * @mem: the region
 * @size: bytes of it
 * @layout: what the region says of itself
 * @id: what the fabric knows this function by
 * @slot: its slot
 * @served: nobody but the members writes the board
 * @vectors: how many interrupts were requested
 * @irq: of each
 */
struct npnic_pci {
	struct pci_dev *pdev;
	struct npnic *nic;
	void __iomem *regs;
	void *mem;
	u64 size;
	struct npnic_layout layout;
	u32 id;
	u32 slot;
	bool served;
	u32 vectors;
	struct npnic_pci_irq irq[NPNIC_PCI_VECTORS];
};

static void npnic_pci_doorbell(struct npnic_pci *np, u32 id, u32 vector)
{
	/* The board may say anything; a device that is unplugged is not asked any more. */
	if (id <= U16_MAX && !pci_channel_offline(np->pdev))
		writel(id << 16 | vector, np->regs + NPNIC_PCI_DOORBELL);
}

static void npnic_pci_ring(struct npnic *nic, u32 slot, u32 vector)
{
	npnic_pci_doorbell(nic->bus_priv, READ_ONCE(nic->peer[slot].id), vector);
}

static const struct npnic_bus_ops npnic_pci_bus = {
	.ring	= npnic_pci_ring,
	.name	= "pci",
};

static irqreturn_t npnic_pci_interrupt(int irq, void *data)
{
	struct npnic_pci_irq *i = data;

	npnic_irq(i->nic, i->vector);
	return IRQ_HANDLED;
}

/* What a slot of the board says: its state, and who has it. */
static u32 npnic_pci_board(struct npnic_pci *np, u32 slot, u32 *id)
{
	struct npnic_board *board = npnic_board(&np->layout, np->mem);
	u32 state;

	/* The id was written before. */
	state = le32_to_cpu(smp_load_acquire(&board->slot[slot].state));
	*id = le32_to_cpu(READ_ONCE(board->slot[slot].peer_id));
	return state;
}

/* Without a server a member writes its own entry of the board, and tells the others. */
static void npnic_pci_serve(struct npnic_pci *np, u32 state)
{
	struct npnic_board *board = npnic_board(&np->layout, np->mem);
	u32 slot, id;

	WRITE_ONCE(board->slot[np->slot].peer_id, cpu_to_le32(np->id));
	smp_store_release(&board->slot[np->slot].state, cpu_to_le32(state)); /* after the id */
	WRITE_ONCE(board->count, cpu_to_le32(le32_to_cpu(READ_ONCE(board->count)) + 1));
	for (slot = 0; slot < np->layout.slots; slot++)
		if (slot != np->slot && npnic_pci_board(np, slot, &id) == NPNIC_BOARD_LIVE)
			npnic_pci_doorbell(np, id, NPNIC_VEC_BOARD);
}

/* Take the slot that the id says, unless it is somebody's: whether that one is gone only a
 * server could tell.
 */
static int npnic_pci_take_slot(struct npnic_pci *np)
{
	u32 id;

	np->slot = np->id % np->layout.slots;
	if (npnic_pci_board(np, np->slot, &id) == NPNIC_BOARD_LIVE) {
		dev_err(&np->pdev->dev, "slot %u is still that of member %u\n", np->slot, id);
		return -ENODEV;
	}
	np->served = true;
	return 0;
}

static bool npnic_pci_find_slot(struct npnic_pci *np)
{
	u32 slot, id;

	for (slot = 0; slot < np->layout.slots; slot++) {
		if (npnic_pci_board(np, slot, &id) != NPNIC_BOARD_LIVE || id != np->id)
			continue;
		np->slot = slot;
		return true;
	}
	return false;
}

/* The server writes the board before it lets a member know its id. */
static int npnic_pci_slot(struct npnic_pci *np)
{
	int ms;

	if (npnic_pci_find_slot(np))
		return 0;
	if (npnic_format_blank)
		return npnic_pci_take_slot(np);
	for (ms = 0; ms < NPNIC_PCI_WAIT_MS; ms += NPNIC_PCI_STEP_MS) {
		msleep(NPNIC_PCI_STEP_MS);
		if (npnic_pci_find_slot(np))
			return 0;
	}
	dev_err(&np->pdev->dev, "the fabric's board has no slot for member %u\n", np->id);
	return -ENODEV;
}

/* Format a blank region, if nobody else does. The magic comes last. */
static int npnic_pci_format(struct npnic_pci *np)
{
	struct npnic_head *head = np->mem;
	struct npnic_layout l;
	struct npnic_head h;
	u64 fmt, magic;
	int bad;

	bad = npnic_layout_choose(&l, np->size, npnic_format_slots, npnic_format_queues, 0);
	if (bad)
		return bad;
	memcpy(&fmt, NPNIC_MAGIC_FORMAT, sizeof(fmt));
	if (cmpxchg64((u64 *)head->magic, 0, fmt))
		return NPNIC_BAD_MAGIC;
	get_random_bytes(l.fabric, sizeof(l.fabric));
	npnic_layout_write(&l, &h);
	memcpy((u8 *)head + sizeof(magic), (u8 *)&h + sizeof(magic), sizeof(h) - sizeof(magic));
	memcpy(&magic, h.magic, sizeof(magic));
	smp_store_release((u64 *)head->magic, magic); /* after all else */
	return npnic_layout_read(&np->layout, np->mem, np->size);
}

/* Learn the layout. Nothing was written to the region if this fails. */
static int npnic_pci_layout(struct npnic_pci *np)
{
	int bad, ms;

	bad = npnic_layout_read(&np->layout, np->mem, np->size);
	if (bad == NPNIC_BAD_BLANK && npnic_format_blank)
		bad = npnic_pci_format(np);
	for (ms = 0; bad && npnic_format_blank && ms < NPNIC_PCI_WAIT_MS;
	     ms += NPNIC_PCI_STEP_MS) {
		/* Another one may be at it. */
		msleep(NPNIC_PCI_STEP_MS);
		bad = npnic_layout_read(&np->layout, np->mem, np->size);
	}
	if (!bad)
		return 0;
	dev_err(&np->pdev->dev, "not a fabric's memory, left alone: %s\n",
		npnic_layout_error(bad));
	return -ENODEV;
}

/* The same address after each start of a VM, if its firmware says who it is. */
static void npnic_pci_mac(struct npnic_pci *np, struct net_device *dev)
{
	const char *uuid = dmi_get_system_info(DMI_PRODUCT_UUID);
	siphash_key_t key;
	u8 mac[8];

	if (!uuid) {
		eth_hw_addr_random(dev);
		return;
	}
	static_assert(sizeof(key) == sizeof(np->layout.fabric));
	memcpy(&key, np->layout.fabric, sizeof(key));
	put_unaligned_le64(siphash(uuid, strlen(uuid), &key), mac);
	mac[0] &= ~0x01;	/* of one station, */
	mac[0] |= 0x02;		/* and locally administered */
	eth_hw_addr_set(dev, mac);
}

static void npnic_pci_free_irqs(struct npnic_pci *np)
{
	while (np->vectors) {
		int irq = pci_irq_vector(np->pdev, --np->vectors);

		irq_update_affinity_hint(irq, NULL);
		free_irq(irq, &np->irq[np->vectors]);
	}
	pci_free_irq_vectors(np->pdev);
}

static int npnic_pci_request_irq(struct npnic_pci *np, u32 vector)
{
	int irq = pci_irq_vector(np->pdev, vector);
	int err;

	np->irq[vector].nic = np->nic;
	np->irq[vector].vector = vector;
	err = request_irq(irq, npnic_pci_interrupt, 0, pci_name(np->pdev), &np->irq[vector]);
	if (err)
		return err;
	np->vectors++;
	/* Queues are for CPUs to work side by side. */
	if (vector >= NPNIC_VEC_QUEUE)
		irq_set_affinity_and_hint(irq, cpumask_of(cpumask_local_spread(vector -
					  NPNIC_VEC_QUEUE, dev_to_node(&np->pdev->dev))));
	return 0;
}

static int npnic_pci_request_irqs(struct npnic_pci *np)
{
	int n = NPNIC_VEC_QUEUE + np->layout.queues;
	int i, err;

	err = pci_alloc_irq_vectors(np->pdev, n, n, PCI_IRQ_MSIX);
	if (err < 0) {
		dev_err(&np->pdev->dev, "needs %d vectors and has %d (-device ...,vectors=%d)\n",
			n, max(pci_msix_vec_count(np->pdev), 0), n);
		return err;
	}
	for (i = 0; i < n; i++) {
		err = npnic_pci_request_irq(np, i);
		if (err) {
			npnic_pci_free_irqs(np);
			return err;
		}
	}
	return 0;
}

/* Can this be a member at all? */
static int npnic_pci_check(struct npnic_pci *np)
{
	struct device *dev = &np->pdev->dev;
	s32 id;

	if (np->pdev->revision != NPNIC_PCI_REVISION) {
		dev_err(dev, "revision %u of ivshmem is not supported\n", np->pdev->revision);
		return -ENODEV;
	}
	if (!np->pdev->msix_cap) {
		dev_err(dev, "has no doorbells: ivshmem-doorbell is needed, not ivshmem-plain\n");
		return -ENODEV;
	}
	id = readl(np->regs + NPNIC_PCI_ID);
	if (id < 0 || id > U16_MAX) {
		dev_err(dev, "has no id: is there a fabric server?\n");
		return -ENODEV;
	}
	np->id = id;
	return 0;
}

static int npnic_pci_map(struct npnic_pci *np)
{
	struct pci_dev *pdev = np->pdev;
	int err;

	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_regions(pdev, KBUILD_MODNAME);
	if (err)
		goto err_disable;
	err = -ENODEV;
	np->regs = pci_iomap(pdev, NPNIC_PCI_REGS, 0);
	if (!np->regs)
		goto err_release;
	np->size = pci_resource_len(pdev, NPNIC_PCI_MEM);
	np->mem = memremap(pci_resource_start(pdev, NPNIC_PCI_MEM), np->size, MEMREMAP_WB);
	if (!np->mem)
		goto err_unmap;
	/* Interrupts are messages that the device writes. */
	pci_set_master(pdev);
	return 0;

err_unmap:
	pci_iounmap(pdev, np->regs);
err_release:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return err;
}

static void npnic_pci_unmap(struct npnic_pci *np)
{
	pci_clear_master(np->pdev);
	memunmap(np->mem);
	pci_iounmap(np->pdev, np->regs);
	pci_release_regions(np->pdev);
	pci_disable_device(np->pdev);
}

static struct npnic *npnic_pci_device(struct npnic_pci *np)
{
	struct net_device *dev = npnic_netdev_alloc(np->layout.queues);
	struct npnic *nic;

	if (!dev)
		return NULL;
	SET_NETDEV_DEV(dev, &np->pdev->dev);
	dev->rtnl_link_ops = &npnic_bus_link_ops;
	npnic_pci_mac(np, dev);
	nic = netdev_priv(dev);
	nic->bus = &npnic_pci_bus;
	nic->bus_priv = np;
	nic->mem = np->mem;
	nic->layout = np->layout;
	nic->slot = np->slot;
	nic->id = np->id;
	return nic;
}

/* A device for a member whose region and slot are known. */
static int npnic_pci_start(struct npnic_pci *np)
{
	struct npnic *nic = npnic_pci_device(np);
	int err;

	if (!nic)
		return -ENOMEM;
	np->nic = nic;
	err = npnic_init(nic);
	if (err)
		goto err_free;
	err = npnic_pci_request_irqs(np);
	if (err)
		goto err_exit;
	if (np->served)
		npnic_pci_serve(np, NPNIC_BOARD_LIVE);
	err = register_netdev(nic->dev);
	if (err)
		goto err_irqs;
	netdev_info(nic->dev, "slot %u of %u of fabric %pUb, %u queues\n", np->slot,
		    np->layout.slots, np->layout.fabric, np->layout.queues);
	netdev_info(nic->dev, "all members of the fabric can read and alter all that is in it\n");
	return 0;

err_irqs:
	if (np->served)
		npnic_pci_serve(np, NPNIC_BOARD_DEAD);
	npnic_pci_free_irqs(np);
err_exit:
	npnic_exit(nic);
err_free:
	free_netdev(nic->dev);
	return err;
}

static int npnic_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct npnic_pci *np = kzalloc(sizeof(*np), GFP_KERNEL);
	int err;

	if (!np)
		return -ENOMEM;
	np->pdev = pdev;
	err = npnic_pci_map(np);
	if (err)
		goto err_free;
	err = npnic_pci_check(np);
	if (!err)
		err = npnic_pci_layout(np);
	if (!err)
		err = npnic_pci_slot(np);
	if (!err)
		err = npnic_pci_start(np);
	if (err)
		goto err_unmap;
	pci_set_drvdata(pdev, np);
	return 0;

err_unmap:
	npnic_pci_unmap(np);
err_free:
	kfree(np);
	return err;
}

static void npnic_pci_remove(struct pci_dev *pdev)
{
	struct npnic_pci *np = pci_get_drvdata(pdev);

	unregister_netdev(np->nic->dev);
	npnic_pci_free_irqs(np);
	npnic_exit(np->nic);
	free_netdev(np->nic->dev);
	if (np->served)
		npnic_pci_serve(np, NPNIC_BOARD_DEAD);
	npnic_pci_unmap(np);
	kfree(np);
}

/* The machine goes down, or another kernel starts: the others learn of it at once. */
static void npnic_pci_shutdown(struct pci_dev *pdev)
{
	struct npnic_pci *np = pci_get_drvdata(pdev);

	rtnl_lock();
	netif_device_detach(np->nic->dev);
	dev_close(np->nic->dev);
	rtnl_unlock();
	if (np->served)
		npnic_pci_serve(np, NPNIC_BOARD_DEAD);
	pci_clear_master(pdev);
}

static const struct pci_device_id npnic_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, npnic_pci_ids);

static struct pci_driver npnic_pci_driver = {
	.name		= "npnic",
	.id_table	= npnic_pci_ids,
	.probe		= npnic_pci_probe,
	.remove		= npnic_pci_remove,
	.shutdown	= npnic_pci_shutdown,
};

/**
 * npnic_pci_register - be a driver of PCI functions
 *
 * Return: 0 or a negative error.
 */
int npnic_pci_register(void)
{
	return pci_register_driver(&npnic_pci_driver);
}

/**
 * npnic_pci_unregister - no PCI function is driven any more when this returns
 */
void npnic_pci_unregister(void)
{
	pci_unregister_driver(&npnic_pci_driver);
}
