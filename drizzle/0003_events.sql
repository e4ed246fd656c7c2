CREATE TABLE `event_rows` (
	`id` integer PRIMARY KEY NOT NULL,
	`event` text NOT NULL,
	`cp` integer NOT NULL,
	`mirror` text,
	`facts` text NOT NULL,
	`at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE VIEW `events` AS select "id", strftime('%Y-%m-%dT%H:%M:%fZ', "at_ms" / 1000.0, 'unixepoch') as "at", "event", "cp", "mirror", "facts", "at_ms" from "event_rows";