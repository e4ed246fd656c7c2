/** Examples of /v1/tokens and /v1/whoami. */
import type { Example } from './example.ts'
import { sample } from './volume.ts'

const { away, cp, time, token } = sample

const item = { ...token, createdAt: time, expiresAt: null }

export const tokenExamples = {
  list: [
    {
      title: 'The tokens of this volume',
      answer: { status: 200, body: { items: [{ ...item, lastUsed: null }] } },
    },
  ],
  create: [
    {
      title: 'Make a token that writes below a directory',
      request: {
        body: { name: 'the web site', role: 'writer', prefix: 'docs', expiresAt: '2099-01-01T00:00:00.000Z' },
      },
      answer: {
        status: 201,
        body: {
          ...item,
          name: 'the web site',
          role: 'writer',
          expiresAt: '2099-01-01T00:00:00.000Z',
          token: `sp_${token.id}_${'A'.repeat(43)}`,
          cp,
          durability: 'logged',
        },
      },
    },
  ],
  revoke: [
    {
      title: 'Revoke a token, and wait for one of two mirrors',
      request: { parameter: token.id, query: { durability: 'mirrored', mirrors: 1 } },
      answer: { status: 200, body: { cp, durability: 'mirrored', unconfirmed: [away.id] } },
    },
  ],
  whoami: [
    {
      title: 'Whose token this is',
      answer: {
        status: 200,
        body: {
          id: token.id,
          name: 'administrator (from a file)',
          role: 'admin',
          prefix: '',
          expiresAt: null,
        },
      },
    },
  ],
} satisfies Record<string, readonly Example[]>
