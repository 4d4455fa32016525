// Uploads a file to a vault.
//
// usage: upload VAULT FILE [JOURNAL]
//
// The program uses cgo. Keys and region come from the environment.
package main

/*
#cgo pkg-config: glacier_mp
#include <stdlib.h>
#include <glacier_mp.h>

int32_t goProgress(void *user_data, glacier_progress_t *progress);

// cgo exports functions without const.
static int32_t on_progress(void *user_data, const glacier_progress_t *progress) {
	return goProgress(user_data, (glacier_progress_t *)progress);
}

static glacier_result_t set_progress(glacier_upload_t *upload, uintptr_t display, glacier_error_t **err) {
	return glacier_upload_set_progress(upload, on_progress, (void *)display, NULL, err);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/cgo"
	"unsafe"
)

// Error is the error of a function of the library.
type Error struct {
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// takeError copies an error of the library, and frees it.
func takeError(err *C.glacier_error_t) error {
	defer C.glacier_error_free(err)
	return &Error{
		Code:    C.GoString(C.glacier_result_name(C.glacier_error_code(err))),
		Message: C.GoString(C.glacier_error_message(err)),
	}
}

// display is the user_data of the callback.
type display struct {
	failure any
}

func (d *display) show(progress *C.glacier_progress_t) {
	total := ""
	if progress.bytes_total != C.GLACIER_UNKNOWN_LENGTH {
		total = fmt.Sprintf(" of %d", progress.bytes_total)
	}
	fmt.Fprintf(os.Stderr, "%d%s bytes\n", progress.bytes_done+progress.bytes_resumed, total)
}

// goProgress stops the upload if it panics: a panic must not leave a callback.
//
//export goProgress
func goProgress(userData unsafe.Pointer, progress *C.glacier_progress_t) (flow C.int32_t) {
	d := cgo.Handle(userData).Value().(*display)
	defer func() {
		if d.failure = recover(); d.failure != nil {
			flow = C.GLACIER_STOP
		}
	}()
	d.show(progress)
	return C.GLACIER_CONTINUE
}

func upload(vault, file, journal string) (string, error) {
	cVault, cFile, cJournal := C.CString(vault), C.CString(file), C.CString(journal)
	defer C.free(unsafe.Pointer(cVault))
	defer C.free(unsafe.Pointer(cFile))
	defer C.free(unsafe.Pointer(cJournal))
	shown := &display{}
	// C code must not keep the address of a Go value. A handle stands for it.
	userData := cgo.NewHandle(shown)
	defer userData.Delete()

	var err *C.glacier_error_t
	config := C.glacier_config_new()
	defer C.glacier_config_free(config)
	var client *C.glacier_client_t
	if C.glacier_client_new(config, &client, &err) != C.GLACIER_OK {
		return "", takeError(err)
	}
	defer C.glacier_client_free(client)
	var handle *C.glacier_upload_t
	if C.glacier_upload_new(client, cVault, &handle, &err) != C.GLACIER_OK {
		return "", takeError(err)
	}
	defer C.glacier_upload_free(handle)
	result := C.glacier_upload_set_source_file(handle, cFile, &err)
	if result == C.GLACIER_OK && journal != "" {
		result = C.glacier_upload_set_journal(handle, cJournal, &err)
	}
	if result == C.GLACIER_OK {
		result = C.set_progress(handle, C.uintptr_t(userData), &err)
	}
	if result == C.GLACIER_OK {
		result = C.glacier_upload_run(handle, &err)
	}
	if shown.failure != nil {
		C.glacier_error_free(err)
		panic(shown.failure)
	}
	if result != C.GLACIER_OK {
		return "", takeError(err)
	}
	return C.GoString(C.glacier_upload_archive_id(handle)), nil
}

func main() {
	arguments := os.Args[1:]
	if len(arguments) < 2 || len(arguments) > 3 {
		fmt.Fprintln(os.Stderr, "usage: upload VAULT FILE [JOURNAL]")
		os.Exit(2)
	}
	journal := ""
	if len(arguments) == 3 {
		journal = arguments[2]
	}
	archive, err := upload(arguments[0], arguments[1], journal)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(archive)
}
