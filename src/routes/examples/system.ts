/** Examples of what is about the process itself. */
import type { Example } from './example.ts'

const mebibyte = 2 ** 20

export const systemExamples = {
  health: [{ title: 'Whether the process answers', answer: { status: 200, body: { status: 'ok' } } }],
  readiness: [{ title: 'Whether reads are served', answer: { status: 200, body: { status: 'ok' } } }],
  status: [
    {
      title: 'A primary that takes writes',
      answer: {
        status: 200,
        body: {
          role: 'primary',
          ready: true,
          reason: null,
          cp: 42,
          epoch: 0,
          opening: 7,
          version: '0.1.0',
          commit: '0123456789ab',
          format: 1,
          uptimeMs: 86_400_000,
          space: {
            usedBytes: 1024 * mebibyte,
            freeBytes: 1_047_552 * mebibyte,
            writableBytes: 64 * mebibyte,
            pendingBytes: 4 * mebibyte,
            maxBytes: 1_048_576 * mebibyte,
            fileBytes: 1092 * mebibyte,
          },
          catalog: { state: 'behind', cp: 41, behindCps: 1, behindMs: 12 },
        },
        varies: ['role', 'opening', 'version', 'commit', 'state'],
      },
    },
  ],
  events: [
    {
      title: 'From now on',
      answer: { status: 200, body: 'retry: 2000\nid: 42\n', isPart: true },
    },
  ],
  metrics: [
    {
      title: 'All metrics',
      answer: {
        status: 200,
        body:
          '# HELP stillpoint_http_requests_total Requests that were answered, by endpoint and status\n' +
          '# TYPE stillpoint_http_requests_total counter\n' +
          'stillpoint_published_cp 42\n',
        isPart: true,
      },
    },
  ],
  root: [
    {
      title: 'A program asks',
      answer: { status: 302, headers: { Location: '/openapi.json' } },
    },
    {
      title: 'A browser asks',
      request: { headers: { Accept: 'text/html' } },
      answer: { status: 302, headers: { Location: '/docs' } },
    },
  ],
  openApi: [{ title: 'This document', answer: { status: 200, body: { openapi: '3.1.0' }, isPart: true } }],
  docs: [
    {
      title: 'This page',
      answer: { status: 200, body: '<!doctype html>\n', isPart: true },
    },
  ],
} satisfies Record<string, readonly Example[]>
