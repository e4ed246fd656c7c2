/** Examples of /v1/dirs. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { cp, drafts, etag, readme, time } = sample

const durability = 'logged'
const times = { created: time, modified: time }
const directory = (name: string, path: string) => ({
  name,
  path,
  kind: 'directory',
  size: 0,
  etag,
  contentType: null,
  ...times,
  mode: '0755',
  cp,
  meta: {},
})
const file = (path: string) => ({
  name: 'readme.txt',
  path,
  kind: 'file',
  size: readme.text.length,
  etag,
  contentType: readme.contentType,
  ...times,
  mode: '0644',
  cp,
  meta: { owner: 'alice' },
})

export const directoryExamples = {
  list: [
    {
      title: 'List a directory',
      request: { parameter: 'docs' },
      answer: {
        status: 200,
        headers: { 'Stillpoint-CP': cp },
        body: { cp, path: 'docs', entries: [directory('drafts', 'drafts'), file('readme.txt')], next: null },
      },
    },
    {
      title: 'The first entry of many',
      request: { parameter: 'docs', query: { limit: 1 } },
      answer: {
        status: 200,
        body: { cp, path: 'docs', entries: [directory('drafts', 'drafts')], next: 'WyJjdXJzb3IiXQ' },
      },
    },
  ],
  listRoot: [
    {
      title: 'List everything',
      request: { query: { recursive: true } },
      answer: {
        status: 200,
        body: {
          cp,
          path: '',
          entries: [directory('docs', 'docs'), directory('drafts', drafts), file(readme.path)],
          next: null,
        },
      },
    },
  ],
  make: [
    {
      title: 'Make a directory',
      request: { parameter: 'docs/2026/plans' },
      answer: { status: 201, body: { path: 'docs/2026/plans', size: 0, etag, cp, durability } },
    },
  ],
  delete: [
    { title: 'Delete an empty directory', request: { parameter: drafts }, answer: { status: 204 } },
    {
      title: 'Delete a directory and all it holds',
      request: { parameter: 'docs', query: { recursive: true } },
      answer: { status: 204, headers: { 'Stillpoint-CP': cp, 'Stillpoint-Durability': durability } },
    },
  ],
} satisfies Record<string, readonly Example[]>
