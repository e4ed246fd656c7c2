declare module 'prom-client/lib/metrics/*' {
  import type { Registry } from 'prom-client'
  const add: (registry: Registry) => void
  export default add
}
