/** Examples of /v1/sql. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { cp, readme } = sample

/** The files are those of this consistency point, or of a later one. */
const query = { minCp: cp, wait: 10 }
const body = {
  query: 'SELECT path, size FROM files WHERE kind = ? ORDER BY size DESC LIMIT 10',
  params: ['file'],
}
const size = readme.text.length
const shown = { 'Stillpoint-CP': cp, 'Stillpoint-Truncated': 'false' }

export const sqlExamples = {
  ask: [
    {
      title: 'The largest files',
      request: { query, body },
      answer: {
        status: 200,
        headers: shown,
        body: {
          cp,
          columns: [
            { name: 'path', type: 'text' },
            { name: 'size', type: 'integer' },
          ],
          rows: [[readme.path, size]],
          truncated: false,
        },
      },
    },
    {
      title: 'The same as CSV',
      request: { query, headers: { Accept: 'text/csv' }, body },
      answer: { status: 200, headers: shown, body: `path,size\r\n${readme.path},${size}\r\n` },
    },
    {
      title: 'What is no question',
      request: { body: { query: 'DELETE FROM files' } },
      answer: { status: 400, body: { status: 400, code: 'bad-sql' }, isPart: true },
    },
  ],
  schema: [
    {
      title: 'The views that may be asked',
      answer: {
        status: 200,
        body: {
          views: [
            {
              name: 'directories',
              description: 'Every directory; the root has id 1 and the path "".',
              columns: [
                {
                  name: 'id',
                  type: 'integer',
                  description: 'id, which a directory keeps wherever it is moved',
                },
                {
                  name: 'parent',
                  type: 'integer',
                  description: 'id of the directory that it is in; null for the root',
                },
                { name: 'name', type: 'text', description: 'its name' },
                {
                  name: 'path',
                  type: 'text',
                  description: 'its path, without a slash in front; indexed',
                },
              ],
            },
          ],
        },
        isPart: true,
      },
    },
  ],
} satisfies Record<string, readonly Example[]>
