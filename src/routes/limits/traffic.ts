/** Counts the content of files that clients have sent, and that was sent to clients. */
import { counter, type Metric } from '../../lib/metric.ts'

export class Traffic {
  receivedBytes = 0
  sentBytes = 0

  metrics(): readonly Metric[] {
    return [
      counter(
        'stillpoint_content_received_bytes_total',
        'Bytes of content that clients have sent',
        this.receivedBytes,
      ),
      counter(
        'stillpoint_content_sent_bytes_total',
        'Bytes of the content of files that were answered',
        this.sentBytes,
      ),
    ]
  }
}
