/** Examples of /v1/files and /v1/stat. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { cp, drafts, etag, readme, time } = sample

const { path, text, contentType } = readme
const durability = 'logged'
const version = { 'Stillpoint-CP': cp, ETag: etag }
const written = { ...version, 'Stillpoint-Durability': durability }

const stat = {
  kind: 'file',
  size: text.length,
  etag,
  contentType,
  created: time,
  modified: time,
  mode: '0644',
  cp,
  meta: { owner: 'alice' },
}

const missing = {
  type: 'urn:stillpoint:not-found',
  title: 'There is nothing here',
  status: 404,
  code: 'not-found',
  detail: 'there is nothing at missing.txt',
}

export const fileExamples = {
  get: [
    {
      title: 'Read a file',
      request: { parameter: path },
      answer: { status: 200, headers: version, body: text },
    },
    {
      title: 'Read the first five bytes',
      request: { parameter: path, headers: { Range: 'bytes=0-4' } },
      answer: { status: 206, headers: { ...version, 'Content-Range': 'bytes 0-4/13' }, body: 'Hello' },
    },
    {
      title: 'Read it as of a consistency point',
      request: { parameter: path, query: { cp } },
      answer: { status: 200, headers: { 'Stillpoint-CP': cp }, body: text },
    },
    {
      title: 'Read what is not there',
      request: { parameter: 'missing.txt' },
      answer: { status: 404, body: missing },
    },
  ],
  head: [
    { title: 'Look at a file', request: { parameter: path }, answer: { status: 200, headers: version } },
  ],
  put: [
    {
      title: 'Write a text file with metadata',
      request: {
        parameter: 'docs/new.txt',
        headers: { 'Content-Type': 'text/plain', 'Stillpoint-Meta-Owner': 'alice' },
        body: text,
      },
      answer: {
        status: 201,
        headers: written,
        body: { path: 'docs/new.txt', size: text.length, etag, cp, durability },
      },
    },
    {
      title: 'Write bytes under a name with a space, and wait for the mirror',
      request: { parameter: 'docs/a b', query: { durability: 'mirrored' }, body: 'Hello' },
      answer: { status: 201, body: { path: 'docs/a b', size: 5, etag, cp, durability: 'mirrored' } },
    },
    {
      title: 'Write only a new file',
      request: { parameter: path, headers: { 'If-None-Match': '*' }, body: 'Hello' },
      answer: {
        status: 412,
        body: {
          type: 'urn:stillpoint:precondition-failed',
          title: 'A precondition failed',
          status: 412,
          code: 'precondition-failed',
          detail: 'If-None-Match does not hold',
          etag,
        },
      },
    },
    {
      title: 'Make a symbolic link',
      request: { parameter: 'docs/link', headers: { 'Stillpoint-Link': 'readme.txt' } },
      answer: { status: 201, body: { path: 'docs/link', size: 10, etag, cp, durability } },
    },
  ],
  patch: [
    {
      title: 'Append',
      request: { parameter: path, query: { offset: 'end' }, body: '!' },
      answer: { status: 200, headers: written, body: { path, size: 14, etag, offset: 13, cp, durability } },
    },
    {
      title: 'Truncate',
      request: { parameter: path, query: { size: 5 } },
      answer: { status: 200, body: { path, size: 5, etag, offset: 5, cp, durability } },
    },
  ],
  delete: [
    {
      title: 'Delete a file',
      request: { parameter: path },
      answer: { status: 204, headers: { 'Stillpoint-CP': cp, 'Stillpoint-Durability': durability } },
    },
  ],
  stat: [
    {
      title: 'Attributes of a file',
      request: { parameter: path },
      answer: { status: 200, body: { path, ...stat } },
    },
    {
      title: 'Attributes of a directory',
      request: { parameter: drafts },
      answer: {
        status: 200,
        body: {
          path: drafts,
          ...stat,
          kind: 'directory',
          size: 0,
          contentType: null,
          mode: '0755',
          meta: {},
        },
      },
    },
  ],
  rootStat: [
    {
      title: 'Attributes of the root',
      answer: {
        status: 200,
        body: { path: '', ...stat, kind: 'directory', size: 0, contentType: null, mode: '0755', meta: {} },
      },
    },
  ],
} satisfies Record<string, readonly Example[]>
