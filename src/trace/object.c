/* SPDX-License-Identifier: MIT
 *
 * The compiled programs, inside the library: there is no file to find at run time. TRACE_OBJECT is the path
 * of bpf/hawser_trace.bpf.c's object, TRACE_HISTOGRAMS_OBJECT that of the same for histogram mode, and
 * TRACE_NAMES_OBJECT that of bpf/hawser_names.bpf.c.
 */
#include "trace.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".global trace_object, trace_object_end\n"
	".hidden trace_object, trace_object_end\n"
	"trace_object:\n"
	".incbin \"" TRACE_OBJECT "\"\n"
	"trace_object_end:\n"
	".balign 16\n"
	".global trace_histograms_object, trace_histograms_object_end\n"
	".hidden trace_histograms_object, trace_histograms_object_end\n"
	"trace_histograms_object:\n"
	".incbin \"" TRACE_HISTOGRAMS_OBJECT "\"\n"
	"trace_histograms_object_end:\n"
	".balign 16\n"
	".global trace_names_object, trace_names_object_end\n"
	".hidden trace_names_object, trace_names_object_end\n"
	"trace_names_object:\n"
	".incbin \"" TRACE_NAMES_OBJECT "\"\n"
	"trace_names_object_end:\n"
	".balign 16\n"
	".global trace_oldest_object, trace_oldest_object_end\n"
	".hidden trace_oldest_object, trace_oldest_object_end\n"
	"trace_oldest_object:\n"
	".incbin \"" TRACE_OLDEST_OBJECT "\"\n"
	"trace_oldest_object_end:\n"
	".popsection\n");
