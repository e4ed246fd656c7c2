/** Fills the catalog of a folder without end: for the test of copies that are made meanwhile. */
import { join } from 'node:path'
import { cpRow, open } from '../catalog/rows.ts'

const { catalog } = open(join(process.argv[2]!, 'catalog.db'), { rowsMax: 3000 })
for (let cp = 1; ; cp++) {
  catalog.recordCp(cpRow(cp))
  if (cp % 50 === 0) catalog.flush()
  if (cp === 5000) process.stdout.write('writing\n')
}
