/** Examples of what is about several paths. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { cp, etag, readme } = sample

const durability = 'logged'

export const moveExamples: readonly Example[] = [
  {
    title: 'Rename a file',
    request: { body: { from: readme.path, to: 'docs/old.txt' } },
    answer: { status: 201, body: { path: 'docs/old.txt', size: readme.text.length, etag, cp, durability } },
  },
]

export const batchExamples: readonly Example[] = [
  {
    title: 'Write a file and delete another, or neither',
    request: {
      body: {
        operations: [
          { op: 'put', path: 'docs/new.txt', text: 'Hello' },
          { op: 'delete', path: readme.path },
        ],
      },
    },
    answer: {
      status: 200,
      body: {
        cp,
        durability,
        results: [
          { status: 201, etag },
          { status: 204, etag: null },
        ],
      },
    },
  },
]
