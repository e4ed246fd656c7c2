/** Many small files, fast: whole batches, a few of them under way. */
import { contentOf, keyPath } from '../load/content.ts'
import { ask, type StillpointServer } from '../servers/stillpoint.ts'

const operationsMax = 1000
const batchesAtOnce = 2

export async function fillVolume({ url }: StillpointServer, files: number, bytes: number): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < files) {
      const first = next
      next = Math.min(files, first + operationsMax)
      const operations = Array.from({ length: next - first }, (_, i) => ({
        op: 'put',
        path: `data/${keyPath(first + i)}`,
        content: Buffer.from(contentOf(bytes, first + i, 1).buffer).toString('base64'),
      }))
      const answer = await ask(`${url}/v1/batch?durability=buffered`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ operations }),
      })
      await answer.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: batchesAtOnce }, worker))
}
