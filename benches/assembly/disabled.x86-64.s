# 4 instructions are executed by one call (disabled; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_disabled>:
	mov    ...(%rip),%rax
	cmpb   $0x5,(%rax)
	jb     <kymo_call_disabled+0x33>
	js     <kymo_call_disabled+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::call::log3::fast>
	mov    ...(%rip),%rcx
	cmp    0x8(%rax),%rcx
	je     <kymo_call_disabled+0xe>
	mov    0x8(%rax),%rax
	inc    %rax
	cmp    %rax,%rcx
	jne    <kymo_call_disabled+0x34>
	ret
	lea    ...(%rip),%rax
	lea    -0x80(%rsp),%rsp
	call   <kymo::filter::gate_x86_64::decide_keeping_registers>
	lea    0x80(%rsp),%rsp
	je     <kymo_call_disabled+0x33>
	jmp    <kymo_call_disabled+0xe>
