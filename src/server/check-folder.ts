/** Offline check of a volume's folder: blocks, items and log. The check holds the volume's lock and only reads. */
import { FileFolder } from '../blockdev/file-folder.ts'
import { lockVolume } from '../blockdev/volume-lock.ts'
import { type CheckReport, checkVolume } from '../cp-engine/check.ts'
import type { CheckFinding } from '../cp-engine/check-findings.ts'
import type { Root } from '../format/disk/root.ts'
import { ItemCheck } from '../fs/tree/item-check.ts'
import { UserError } from '../lib/user-error.ts'
import { blockFileName, hasVolume } from './volume-folder.ts'

export async function checkFolder(path: string): Promise<CheckReport> {
  if (!hasVolume(path)) throw new UserError(`there is no volume in ${path}`)
  const lock = lockVolume(path)
  try {
    const folder = await FileFolder.open(path)
    const device = await folder.open(blockFileName, { readOnly: true })
    try {
      // The engine checks the roots one after the other, so one `ItemCheck` lives at a time.
      let items: { readonly of: Root; readonly check: ItemCheck } | null = null
      const found: CheckFinding[] = []
      const report = await checkVolume(device, {
        onItem(root, item, records) {
          if (items?.of !== root) items = { of: root, check: new ItemCheck(root) }
          items.check.add(item, records)
        },
        onRoot(root) {
          const seen = items?.of === root ? items.check : new ItemCheck(root)
          found.push(...findingsOf(seen, root))
        },
      })
      return { ...report, findings: [...report.findings, ...found] }
    } finally {
      await device.close()
    }
  } finally {
    lock.release()
  }
}

function findingsOf(items: ItemCheck, root: Root): CheckFinding[] {
  const { problems, problemCount } = items.finish()
  const finding = (message: string): CheckFinding => ({
    severity: 'error',
    kind: 'item',
    cp: root.cp,
    address: null,
    message,
  })
  const hidden = problemCount - problems.length
  return [...problems.map(finding), ...(hidden > 0 ? [finding(`${hidden} more problems`)] : [])]
}
