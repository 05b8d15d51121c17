// Command embed is the smallest program on ramet. Start it several times at once
// in one directory: the first is primary, all of them write.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
)

func main() {
	inst, err := kernel.Bootstrap(context.Background(), kernel.Config{Plugins: bundled.All(), Failover: true})
	if err != nil {
		log.Fatal(err)
	}
	defer inst.Close()
	var count int
	_, err = inst.DB().Exec(`CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT)`)
	if err == nil {
		_, err = inst.DB().Exec(`INSERT INTO notes (text) VALUES (?)`, "hello from "+inst.ID())
	}
	if err == nil {
		err = inst.DB().QueryRow(`SELECT count(*) FROM notes`).Scan(&count)
	}
	fmt.Println("role:", inst.Role(), "notes:", count, "error:", err)
}
