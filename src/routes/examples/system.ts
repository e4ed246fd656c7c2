/** Examples of what is about the process itself. */
import type { Example } from './example.ts'

export const systemExamples = {
  health: [{ title: 'Whether the process answers', answer: { status: 200, body: { status: 'ok' } } }],
  readiness: [{ title: 'Whether reads are served', answer: { status: 200, body: { status: 'ok' } } }],
  metrics: [
    {
      title: 'All metrics',
      answer: {
        status: 200,
        body:
          '# HELP stillpoint_http_requests_total Requests answered, by endpoint and status\n' +
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
